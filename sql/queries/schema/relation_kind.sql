-- What schema public has under a name: pg_class.relkind, or no row. Parameters: name text.
SELECT CAST(c.relkind AS text)
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = :name
