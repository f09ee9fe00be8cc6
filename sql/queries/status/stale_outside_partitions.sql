-- The number of days with stale client-days that no run can refresh: before the first partition, or in the future.
-- Parameters: first_day, today date. Result: one row, days_before and days_after.
SELECT
    count(DISTINCT bucket_date) FILTER (WHERE bucket_date < :first_day) AS days_before,
    count(DISTINCT bucket_date) FILTER (WHERE bucket_date > :today) AS days_after
FROM eventflow_stats.client_days
WHERE stale_since IS NOT NULL
