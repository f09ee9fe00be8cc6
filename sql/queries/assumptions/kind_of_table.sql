-- The product's tables that are not ordinary or partitioned tables of this server: foreign tables (also as partitions),
-- views, and tables distributed by Citus, of which a reader may see no row. Result: a line of text for each.
WITH RECURSIVE named AS (
    SELECT c.oid, c.relname, c.relkind
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'public'::pg_catalog.regnamespace AND c.relname IN (
        'event_access_logs', 'event_survey_entries', 'event_survey_campaigns', 'webinars', 'campaign_link_meta'
    )
), foreign_parts AS (
    -- From the foreign tables upwards: there are few of them, and a table may have many partitions.
    SELECT f.ftrelid AS part, f.ftrelid AS above FROM pg_catalog.pg_foreign_table AS f
    UNION
    SELECT p.part, i.inhparent FROM foreign_parts AS p JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = p.above
)
SELECT pg_catalog.format(
    'public.%I is a %s, and should be an ordinary or partitioned table', relname,
    CASE relkind
        WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        ELSE 'relation of another kind'
    END
)
FROM named
WHERE relkind NOT IN ('r', 'p')
UNION ALL
SELECT pg_catalog.format(
    '%s, a part of public.%I, is a foreign table, and should be an ordinary one',
    p.part::pg_catalog.regclass, n.relname
)
FROM foreign_parts AS p
JOIN named AS n ON n.oid = p.above AND n.relkind IN ('r', 'p')
UNION ALL
SELECT pg_catalog.format('public.%I is distributed by Citus, which is not supported', n.relname)
FROM named AS n
-- Citus lists its tables in pg_dist_partition. A statement cannot name that table where it does not exist; ts_stat
-- takes a query as text.
WHERE CASE WHEN pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN EXISTS (
    SELECT FROM pg_catalog.ts_stat(pg_catalog.format(
        'SELECT pg_catalog.array_to_tsvector(ARRAY[''distributed'']) '
        'FROM pg_catalog.pg_dist_partition WHERE logicalrelid = %s', n.oid
    ))
) END
ORDER BY 1
