-- Marks client-days of one day as stale. One that already is keeps its first time and reason.
-- stale_from: the missing facts were committed after the last detection and after the client-day was computed. Before
-- any detection, a client-day that was never computed may lack facts since its day began.
-- A sealed day gets no stale client-day: nothing computes it any more.
-- Parameters: bucket_date date; clients uuid[]; reason text.
INSERT INTO eventflow_stats.client_days AS s (client_id, bucket_date, stale_since, stale_from, stale_reason, generation)
SELECT
    unnest(CAST(:clients AS uuid[])), CAST(:bucket_date AS date), now(),
    coalesce(detected_at, (SELECT eventflow_stats.day_start(CAST(:bucket_date AS date)))), CAST(:reason AS text), 1
FROM eventflow_stats.progress
WHERE NOT EXISTS (
    SELECT FROM eventflow_stats.days WHERE bucket_date = CAST(:bucket_date AS date) AND sealed_at IS NOT NULL
)
ON CONFLICT (client_id, bucket_date) DO UPDATE SET
    stale_since = coalesce(s.stale_since, excluded.stale_since),
    stale_from = coalesce(s.stale_from, greatest(excluded.stale_from, s.computed_at)),
    stale_reason = coalesce(s.stale_reason, excluded.stale_reason),
    generation = s.generation + 1
