-- The scopes with groups that a proof found wrong and nothing has repaired yet, newest day first.
-- Result: a row per day and client: how many groups.
SELECT bucket_date, client_id, count(*) AS groups
FROM eventflow_stats.discrepancies
WHERE repaired_at IS NULL
GROUP BY bucket_date, client_id
ORDER BY bucket_date DESC, client_id
