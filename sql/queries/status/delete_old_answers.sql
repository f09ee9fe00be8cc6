-- Deletes the counts of answers that no check uses any more. Parameters: retention interval.
DELETE FROM eventflow_stats.answers WHERE minute < now() - CAST(:retention AS interval)
