-- When the data quality of yesterday and today was computed, in one row. Parameters: today date.
SELECT
    now() AS at,
    eventflow_stats.day_start(CAST(:today AS date)) AS day_started_at,
    (
        SELECT computed_at FROM eventflow_stats.quality_days WHERE bucket_date = CAST(:today AS date)
    ) AS today_computed_at,
    (
        SELECT computed_at FROM eventflow_stats.quality_days WHERE bucket_date = CAST(:today AS date) - 1
    ) AS yesterday_computed_at
