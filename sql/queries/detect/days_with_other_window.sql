-- The computed days whose window is no longer the one they were computed with: the zone's rules changed.
-- A sealed day keeps the hours it was verified with. Parameters: zone text. Result: a row a day. Two conversions an instant instead of day_start(), which costs hundreds.
SELECT bucket_date
FROM eventflow_stats.days
WHERE rebuilt_at IS NOT NULL AND sealed_at IS NULL AND window_start IS NOT NULL AND NOT (
    CAST(window_start AT TIME ZONE CAST(:zone AS text) AS date) >= bucket_date
    AND CAST((window_start - interval '1 microsecond') AT TIME ZONE CAST(:zone AS text) AS date) < bucket_date
    AND CAST(window_end AT TIME ZONE CAST(:zone AS text) AS date) >= bucket_date + 1
    AND CAST((window_end - interval '1 microsecond') AT TIME ZONE CAST(:zone AS text) AS date) < bucket_date + 1
)
ORDER BY bucket_date
