-- The ingest time from which detection reads facts: the last detection less the overlap, or the beginning of time
-- before the first. Parameters: overlap interval. Result: one row, since and detected_at (now).
SELECT
    coalesce(detected_at - CAST(:overlap AS interval), timestamptz '0001-01-01 00:00Z') AS since,
    now() AS detected_at
FROM eventflow_stats.progress
