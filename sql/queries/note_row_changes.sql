-- Looks at the tripwire: notes the time when its value is another than last time.
UPDATE eventflow_stats.upkeep AS u
SET row_changes = r.row_changes, row_changes_at = now()
FROM eventflow_stats.row_changes AS r
WHERE u.row_changes IS DISTINCT FROM r.row_changes
