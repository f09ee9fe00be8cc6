-- The seconds that a sweep of all days takes: the sum of the last sweep of each; NULL where none was ever swept.
-- Parameters: first_day, last_day date, both included.
SELECT sum(sweep_seconds)
FROM eventflow_stats.days_for_sweep
WHERE bucket_date BETWEEN :first_day AND :last_day
