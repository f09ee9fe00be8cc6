-- How many facts were ever inserted by the row counters, if that is another number than when the facts of the last days
-- were last counted; else no row.
SELECT r.inserted_facts
FROM eventflow_stats.row_changes AS r
CROSS JOIN eventflow_stats.progress AS u
WHERE r.inserted_facts IS DISTINCT FROM u.inserted_facts
