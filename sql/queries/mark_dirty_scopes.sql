-- Marks scopes of one day as dirty; one that is already keeps its first time and reason.
-- Parameters: bucket_date date; clients uuid[]; reason text.
INSERT INTO eventflow_stats.scopes AS s (client_id, bucket_date, dirty_since, dirty_reason, generation)
SELECT unnest(CAST(:clients AS uuid[])), CAST(:bucket_date AS date), now(), CAST(:reason AS text), 1
ON CONFLICT (client_id, bucket_date) DO UPDATE SET
    dirty_since = coalesce(s.dirty_since, excluded.dirty_since),
    dirty_reason = coalesce(s.dirty_reason, excluded.dirty_reason),
    generation = s.generation + 1
