-- Deletes the counts of answers that no check uses any more. Parameters: kept interval.
DELETE FROM eventflow_stats.answers WHERE minute < now() - CAST(:kept AS interval)
