-- The product's tables whose row-level security hides rows from the current user, and so from the views that this user
-- will own. Parameters: tables text[].
SELECT CAST(c.relname AS text)
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace
    AND c.relname = ANY (CAST(:tables AS text[]))
    AND row_security_active(c.oid)
ORDER BY 1
