-- The pg_class.relkind of a relation in schema public, or no row. Parameters: name text.
SELECT CAST(c.relkind AS text)
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = :name
