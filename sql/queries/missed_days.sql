-- The days that no run computed although one computed an earlier day: nobody was at work then, and they have no
-- facts that would make them dirty. Newest first. Parameters: last_day date, included.
SELECT CAST(day AS date)
FROM (SELECT min(bucket_date) AS first_day FROM eventflow_stats.days WHERE covered_at IS NOT NULL) AS known
CROSS JOIN LATERAL generate_series(known.first_day, CAST(:last_day AS date), interval '1 day') AS day
WHERE NOT EXISTS (
    SELECT FROM eventflow_stats.days AS d WHERE d.bucket_date = CAST(day AS date) AND d.covered_at IS NOT NULL
)
ORDER BY 1 DESC
