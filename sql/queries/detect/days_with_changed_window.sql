-- The computed days whose window differs from the one they were computed with, because the rules of the zone changed. A
-- sealed day keeps its window. Parameters: zone text. Result: a row per day.
-- Two time zone conversions per instant: day_start() needs hundreds.
SELECT bucket_date
FROM eventflow_stats.days
WHERE rebuilt_at IS NOT NULL AND sealed_at IS NULL AND window_start IS NOT NULL AND NOT (
    CAST(window_start AT TIME ZONE CAST(:zone AS text) AS date) >= bucket_date
    AND CAST((window_start - interval '1 microsecond') AT TIME ZONE CAST(:zone AS text) AS date) < bucket_date
    AND CAST(window_end AT TIME ZONE CAST(:zone AS text) AS date) >= bucket_date + 1
    AND CAST((window_end - interval '1 microsecond') AT TIME ZONE CAST(:zone AS text) AS date) < bucket_date + 1
)
ORDER BY bucket_date
