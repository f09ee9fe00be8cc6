-- The views and functions that an earlier `migrate` created and this one did not: sql/functions no longer has them. Ask
-- after the files ran, in their transaction. The public functions depend on functions, and views on functions.
-- Result: names text; statement text that drops them; in the order in which to run them.
SELECT
    string_agg(present.name, ', ' ORDER BY present.name) AS names,
    format('DROP %s %s', present.kind, string_agg(present.name, ', ' ORDER BY present.name)) AS statement
FROM eventflow_stats.own_objects AS recorded
JOIN eventflow_stats.present_objects AS present USING (kind, name)
WHERE present.made_by <> CAST(pg_current_xact_id() AS xid)
GROUP BY present.kind, present.name LIKE 'public.%'
ORDER BY present.name LIKE 'public.%' DESC, present.kind DESC
