-- The number of schemas, tables, views, sequences and functions that the database has of its own. The system's are left
-- out, and the functions of extensions.
SELECT count(*)
FROM pg_namespace AS n
LEFT JOIN (
    SELECT relnamespace AS schema_oid FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT pronamespace FROM pg_proc
    WHERE NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = CAST('pg_proc' AS regclass) AND objid = pg_proc.oid AND deptype = 'e'
    )
) AS held ON held.schema_oid = n.oid
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
    AND (n.nspname <> 'public' OR held.schema_oid IS NOT NULL)
