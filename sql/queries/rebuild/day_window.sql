-- The half-open window of a bucket day, [window_start, window_end); empty for a day that the zone skipped.
-- Parameters: bucket_date date. Result: one row, two timestamptz and the zone's name.
-- The window is passed on as constants: a function call in a filter would run once per fact.
SELECT
    eventflow_stats.day_start(CAST(:bucket_date AS date)) AS window_start,
    eventflow_stats.day_start(CAST(:bucket_date AS date) + 1) AS window_end,
    bucket_timezone
FROM eventflow_stats.deployment
