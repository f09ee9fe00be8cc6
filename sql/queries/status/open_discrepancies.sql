-- The days with groups that a verification found wrong and nothing has repaired yet, oldest first, and how many.
SELECT bucket_date, count(*) AS groups
FROM eventflow_stats.discrepancies
WHERE repaired_at IS NULL
GROUP BY bucket_date
ORDER BY bucket_date
