-- Whether the function auth.uid() exists.
SELECT to_regprocedure('auth.uid()') IS NOT NULL
