-- The days of a range with stale client-days, newest first. stale_since: when the newest of these became stale, which
-- identifies the batch of facts (more facts of a stale client-day are in the same refresh); waiting_since: the oldest.
-- Held days are left out: nothing of them is written. Parameters: first_day, last_day date, both included; most bigint.
SELECT bucket_date, max(stale_since) AS stale_since, min(stale_since) AS waiting_since, count(*) AS client_days
FROM eventflow_stats.client_days
WHERE stale_since IS NOT NULL AND bucket_date BETWEEN :first_day AND :last_day
    AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE held_at IS NOT NULL)
GROUP BY bucket_date
ORDER BY bucket_date DESC
LIMIT :most
