-- The tables and views of schema public, without the rollup, that a role may write (as a whole or by column), and how.
-- Parameters: role text. Result: table_name, verbs text[].
SELECT CAST(c.relname AS text) AS table_name, array_agg(verb ORDER BY place) AS verbs
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) WITH ORDINALITY AS v (verb, place)
WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p', 'v', 'f')
    AND c.relname <> 'marketing_stats_daily'
    AND CASE
        WHEN verb IN ('INSERT', 'UPDATE') THEN has_any_column_privilege(CAST(:role AS name), c.oid, verb)
        ELSE has_table_privilege(CAST(:role AS name), c.oid, verb)
    END
GROUP BY 1
ORDER BY 1
