-- From which ingest time on facts have to be looked at: the last detection less the overlap; everything,
-- before the first. Parameters: overlap interval. Result: one row, since and the time now.
SELECT
    coalesce(detected_at - CAST(:overlap AS interval), timestamptz '0001-01-01 00:00Z') AS since,
    now() AS detected_at
FROM eventflow_stats.progress
