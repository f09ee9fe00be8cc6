-- Roles other than the engine that may write the rollup or the ledger. Left out are those that always can: superusers,
-- the tables' owners, and members of these or of the engine's role. Result: role, tables text[].
SELECT CAST(r.rolname AS text) AS role, array_agg(CAST(CAST(c.oid AS regclass) AS text) ORDER BY c.relname) AS tables
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN pg_roles AS r
WHERE (n.nspname = 'eventflow_stats' AND c.relkind IN ('r', 'p')
        OR n.nspname = 'public' AND c.relname = 'marketing_stats_daily')
    AND NOT r.rolsuper AND r.rolname <> 'pg_write_all_data'
    AND NOT pg_has_role(r.oid, c.relowner, 'MEMBER')
    AND NOT pg_has_role(r.oid, (SELECT e.oid FROM pg_roles AS e WHERE e.rolname = 'eventflow_stats_engine'), 'MEMBER')
    AND has_schema_privilege(r.oid, n.oid, 'USAGE')
    AND (
        has_any_column_privilege(r.oid, c.oid, 'INSERT') OR has_any_column_privilege(r.oid, c.oid, 'UPDATE')
        OR has_table_privilege(r.oid, c.oid, 'DELETE') OR has_table_privilege(r.oid, c.oid, 'TRUNCATE')
    )
GROUP BY 1
ORDER BY 1
