-- Every unsealed day before a day, from the first computed day on, oldest first; also days that were never computed and
-- so cannot be sealed. Parameters: before date.
SELECT CAST(day AS date)
FROM (
    SELECT min(bucket_date) AS first_day FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL AND sealed_at IS NULL
) AS known
CROSS JOIN LATERAL generate_series(known.first_day, CAST(:before AS date) - 1, interval '1 day') AS day
WHERE NOT EXISTS (
    SELECT FROM eventflow_stats.days AS d WHERE d.bucket_date = CAST(day AS date) AND d.sealed_at IS NOT NULL
)
ORDER BY 1
