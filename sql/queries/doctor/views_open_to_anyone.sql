-- The views that anybody may read and that read product tables with their owner's rights, directly or through other
-- views, materialized views included. Row-level security of the tables does not apply to such readers.
-- Parameters: tables text[], of schema public. Result: view_name with its schema, is_materialized, tables text[].
WITH RECURSIVE anybody AS (
    SELECT oid FROM pg_roles WHERE rolname = 'anon'
), reads AS (
    SELECT DISTINCT r.ev_class AS view_oid, d.refobjid AS table_oid
    FROM pg_rewrite AS r
    JOIN pg_depend AS d ON d.classid = CAST('pg_rewrite' AS regclass) AND d.objid = r.oid
        AND d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid <> r.ev_class
), reaching AS (
    SELECT r.view_oid, CAST(c.relname AS text) AS table_name
    FROM reads AS r
    JOIN pg_class AS c ON c.oid = r.table_oid
    WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relname = ANY (CAST(:tables AS text[]))
    UNION
    SELECT r.view_oid, further.table_name
    FROM reads AS r
    JOIN reaching AS further ON further.view_oid = r.table_oid
)
SELECT
    format('%I.%I', n.nspname, v.relname) AS view_name,
    v.relkind = 'm' AS is_materialized,
    array_agg(r.table_name ORDER BY r.table_name) AS tables
FROM reaching AS r
JOIN pg_class AS v ON v.oid = r.view_oid AND v.relkind IN ('v', 'm')
JOIN pg_namespace AS n ON n.oid = v.relnamespace
CROSS JOIN anybody
WHERE has_schema_privilege(anybody.oid, n.oid, 'USAGE') AND has_any_column_privilege(anybody.oid, v.oid, 'SELECT')
    AND NOT (n.nspname = 'public' AND v.relname = ANY (CAST(:tables AS text[])))
    AND NOT EXISTS (
        SELECT FROM pg_options_to_table(v.reloptions)
        WHERE option_name = 'security_invoker' AND CAST(option_value AS boolean)
    )
GROUP BY 1, 2
ORDER BY 1
