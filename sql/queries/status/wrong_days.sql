-- The days with wrong groups that are not repaired yet, oldest first, and the number of groups.
SELECT bucket_date, count(*) AS groups
FROM eventflow_stats.discrepancies
WHERE repaired_at IS NULL
GROUP BY bucket_date
ORDER BY bucket_date
