-- The statistics that planner and autovacuum have of tables in schema public.
-- Parameters: tables text[]. Result: live and dead rows, when last analyzed (NULL: never since the counters began), and
-- whether autovacuum is off for the table.
SELECT
    CAST(s.relname AS text) AS table_name, s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows,
    greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at,
    coalesce('autovacuum_enabled=false' = ANY (c.reloptions) OR 'autovacuum_enabled=off' = ANY (c.reloptions), false)
        AS without_autovacuum
FROM pg_stat_all_tables AS s
JOIN pg_class AS c ON c.oid = s.relid
WHERE s.schemaname = 'public' AND s.relname = ANY (CAST(:tables AS text[]))
ORDER BY 1
