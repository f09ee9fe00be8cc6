-- The indexes of tables in schema public: whether valid, their columns in order (NULL for an expression), and how often
-- scanned since the counters were last reset.
-- Parameters: tables text[]. Result: rows_estimated is the planner's count of the table's rows, -1 where unknown;
-- counted_for is the age of the counters, NULL where they were never reset.
SELECT
    CAST(t.relname AS text) AS table_name,
    CAST(x.relname AS text) AS index_name,
    i.indisvalid AND i.indisready AS valid,
    CAST(am.amname AS text) AS method,
    (
        SELECT array_agg(CAST(a.attname AS text) ORDER BY place)
        FROM unnest(CAST(i.indkey AS smallint[])) WITH ORDINALITY AS k (attnum, place)
        LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.attnum
    ) AS columns,
    coalesce(s.idx_scan, 0) AS scans,
    CAST(t.reltuples AS bigint) AS rows_estimated,
    now() - (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS counted_for
FROM pg_index AS i
JOIN pg_class AS x ON x.oid = i.indexrelid
JOIN pg_am AS am ON am.oid = x.relam
JOIN pg_class AS t ON t.oid = i.indrelid
LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = i.indexrelid
WHERE t.relnamespace = CAST('public' AS regnamespace) AND t.relname = ANY (CAST(:tables AS text[]))
ORDER BY 1, 2
