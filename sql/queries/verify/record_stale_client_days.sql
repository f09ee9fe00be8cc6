-- Marks the client-days whose facts changed since they were computed as stale (stale_from: see mark_stale_client_days).
-- Parameters: bucket_date date. Reads client_day_results.
INSERT INTO eventflow_stats.client_days AS s (client_id, bucket_date, stale_since, stale_from, stale_reason, generation)
SELECT
    client_id, CAST(:bucket_date AS date), now(),
    coalesce(detected_at, (SELECT eventflow_stats.day_start(CAST(:bucket_date AS date)))), 'found stale by a verification', 1
FROM pg_temp.client_day_results
CROSS JOIN eventflow_stats.progress
WHERE result = 'stale'
ON CONFLICT (client_id, bucket_date) DO UPDATE SET
    stale_since = coalesce(s.stale_since, excluded.stale_since),
    stale_from = coalesce(s.stale_from, greatest(excluded.stale_from, s.computed_at)),
    stale_reason = coalesce(s.stale_reason, excluded.stale_reason),
    generation = s.generation + 1
