-- Marks scopes of one day as dirty; one that is already keeps its first time and reason.
-- What it lacks was committed after the last detection and after it was computed, however late that is noticed; before
-- any detection, of a scope never computed, all that is known is that a day's facts come in when it has begun.
-- A sealed day has no dirty scope, by this statement: nothing computes it any more.
-- Parameters: bucket_date date; clients uuid[]; reason text.
INSERT INTO eventflow_stats.scopes AS s (client_id, bucket_date, dirty_since, dirty_from, dirty_reason, generation)
SELECT
    unnest(CAST(:clients AS uuid[])), CAST(:bucket_date AS date), now(),
    coalesce(detected_at, (SELECT eventflow_stats.day_start(CAST(:bucket_date AS date)))), CAST(:reason AS text), 1
FROM eventflow_stats.upkeep
WHERE NOT EXISTS (
    SELECT FROM eventflow_stats.days WHERE bucket_date = CAST(:bucket_date AS date) AND sealed_at IS NOT NULL
)
ON CONFLICT (client_id, bucket_date) DO UPDATE SET
    dirty_since = coalesce(s.dirty_since, excluded.dirty_since),
    dirty_from = coalesce(s.dirty_from, greatest(excluded.dirty_from, s.computed_at)),
    dirty_reason = coalesce(s.dirty_reason, excluded.dirty_reason),
    generation = s.generation + 1
