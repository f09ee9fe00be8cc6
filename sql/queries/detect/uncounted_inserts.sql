-- How many facts the row counters count as inserted, if the number differs from the one at the last count of the newest
-- days; else no row.
SELECT r.inserted_facts
FROM eventflow_stats.row_changes AS r
CROSS JOIN eventflow_stats.progress AS u
WHERE r.inserted_facts IS DISTINCT FROM u.inserted_facts
