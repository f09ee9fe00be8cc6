-- The rights that the current user lacks for a migration: to own the tables that get indexes or are altered, and to
-- read the tables that our views read. Parameters: owned text[], read text[].
SELECT 'CREATE on schema public' AS missing
WHERE NOT has_schema_privilege('public', 'CREATE')
UNION ALL
SELECT 'ownership of public.' || c.relname
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace
    AND c.relname = ANY (CAST(:owned AS text[]))
    AND NOT pg_has_role(c.relowner, 'USAGE')
UNION ALL
SELECT 'SELECT on public.' || c.relname
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace
    AND c.relname = ANY (CAST(:read AS text[]))
    AND NOT has_table_privilege(c.oid, 'SELECT')
ORDER BY 1
