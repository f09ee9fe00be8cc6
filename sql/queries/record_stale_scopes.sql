-- Marks the scopes whose facts moved since they were computed as dirty (dirty_from: see mark_dirty_scopes).
-- Parameters: bucket_date date. Reads scope_verdicts.
INSERT INTO eventflow_stats.scopes AS s (client_id, bucket_date, dirty_since, dirty_from, dirty_reason, generation)
SELECT
    client_id, CAST(:bucket_date AS date), now(),
    coalesce(detected_at, (SELECT eventflow_stats.day_start(CAST(:bucket_date AS date)))), 'found stale by a proof', 1
FROM pg_temp.scope_verdicts
CROSS JOIN eventflow_stats.upkeep
WHERE verdict = 'stale'
ON CONFLICT (client_id, bucket_date) DO UPDATE SET
    dirty_since = coalesce(s.dirty_since, excluded.dirty_since),
    dirty_from = coalesce(s.dirty_from, greatest(excluded.dirty_from, s.computed_at)),
    dirty_reason = coalesce(s.dirty_reason, excluded.dirty_reason),
    generation = s.generation + 1
