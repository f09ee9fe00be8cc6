-- The days of a range that were never computed, oldest first. Held days are left out: they wait for an operator.
-- Parameters: first_day, last_day date, both included.
SELECT CAST(day AS date)
FROM generate_series(CAST(:first_day AS date), CAST(:last_day AS date), interval '1 day') AS day
WHERE NOT EXISTS (
    SELECT FROM eventflow_stats.days AS d WHERE d.bucket_date = CAST(day AS date) AND (d.rebuilt_at IS NOT NULL OR d.held_at IS NOT NULL)
)
ORDER BY 1
