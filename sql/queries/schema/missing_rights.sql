-- What the current user lacks to migrate: tables it must own because they get indexes or are altered,
-- tables its views read. Parameters: owned text[], read text[].
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
