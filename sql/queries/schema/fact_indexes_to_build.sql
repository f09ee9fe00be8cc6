-- The statements that build our missing indexes on the product's fact tables and their partitions (or children). An
-- index is recognized by its definition, not its name: a table that replaced another has its indexes under other names.
-- Result: statement text, in the order in which to run them, outside a transaction. Ask again afterwards: an index that
-- was built is then attached to its parent's, and one that was dropped is built.
WITH RECURSIVE wanted (index_name, table_name, column_name) AS (
    VALUES
        ('event_access_logs_accessed_brin', 'event_access_logs', 'accessed_at'),
        ('event_access_logs_created_brin', 'event_access_logs', 'created_at'),
        ('event_survey_entries_created_brin', 'event_survey_entries', 'created_at')
), tables AS (
    SELECT w.index_name, w.column_name, c.oid, c.relkind, CAST(NULL AS oid) AS parent, 0 AS depth
    FROM wanted AS w
    JOIN pg_class AS c ON c.relnamespace = CAST('public' AS regnamespace) AND c.relname = w.table_name
    WHERE c.relkind IN ('r', 'p')
    UNION ALL
    SELECT t.index_name, t.column_name, c.oid, c.relkind, t.oid, t.depth + 1
    FROM tables AS t
    JOIN pg_inherits AS i ON i.inhparent = t.oid AND NOT i.inhdetachpending
    JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p')
), indexed AS (
    SELECT
        t.*, x.index_oid, x.is_valid, x.attached_to,
        format('%I.%I', n.nspname, c.relname) AS table_text, x.index_text
    FROM tables AS t
    JOIN pg_class AS c ON c.oid = t.oid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (
        SELECT
            i.indexrelid AS index_oid, i.indisvalid AND i.indisready AS is_valid, h.inhparent AS attached_to,
            format('%I.%I', xn.nspname, x.relname) AS index_text
        FROM pg_index AS i
        JOIN pg_class AS x ON x.oid = i.indexrelid
        JOIN pg_namespace AS xn ON xn.oid = x.relnamespace
        JOIN pg_am AS am ON am.oid = x.relam AND am.amname = 'brin'
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = t.column_name
        LEFT JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid
        WHERE i.indrelid = t.oid AND i.indnatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL
        ORDER BY h.inhparent IS NULL, is_valid DESC, i.indexrelid
        LIMIT 1
    ) AS x ON true
), steps AS (
    SELECT
        1 AS place, depth,
        format(
            'CREATE INDEX %s%s ON %s%s USING brin (%I) WITH (pages_per_range = 32, autosummarize = on)',
            CASE WHEN relkind = 'r' THEN 'CONCURRENTLY ' ELSE '' END,
            CASE WHEN parent IS NULL AND to_regclass('public.' || index_name) IS NULL THEN index_name ELSE '' END,
            -- On the parent alone: the indexes of partitions are built one by one, without blocking writers, and
            -- attached.
            CASE WHEN relkind = 'p' THEN 'ONLY ' ELSE '' END,
            table_text, column_name
        ) AS statement
    FROM indexed
    WHERE index_oid IS NULL
    UNION ALL
    -- An interrupted build leaves an invalid index, which slows down every insert and is never used.
    SELECT
        0, depth,
        CASE
            WHEN attached_to IS NULL THEN format('DROP INDEX CONCURRENTLY %s', index_text)
            ELSE format('REINDEX INDEX CONCURRENTLY %s', index_text)
        END
    FROM indexed
    WHERE relkind = 'r' AND NOT is_valid
    UNION ALL
    SELECT 2, -child.depth, format('ALTER INDEX %s ATTACH PARTITION %s', above.index_text, child.index_text)
    FROM indexed AS child
    JOIN indexed AS above ON above.oid = child.parent AND above.index_name = child.index_name AND above.relkind = 'p'
    WHERE above.index_oid IS NOT NULL AND child.attached_to IS NULL
        AND (child.is_valid OR child.relkind = 'p' AND child.index_oid IS NOT NULL)
)
SELECT statement FROM steps ORDER BY place, depth, statement
