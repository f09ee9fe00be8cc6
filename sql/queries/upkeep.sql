-- How upkeep stands, in one row. Parameters: first_day, today date: the days that runs can refresh.
--   fresh_through   every fact committed before is in the rollup: the last detection, or, while scopes are dirty,
--                   the one before that which found them, or when they were computed after it, or when their day
--                   began: before, no run could refresh what is dated ahead
--   drift_since     the oldest time at which a covered day was last compared whole with its facts, a sealed one with
--                   its checksum
SELECT
    now() AS at,
    u.detected_at,
    u.ticked_at,
    u.tick_outcome,
    least(u.detected_at, dirty.dirty_from) AS fresh_through,
    coalesce(dirty.scopes, 0) AS dirty_scopes,
    proofs.drift_since,
    proofs.drift_day,
    coalesce(proofs.covered_days, 0) AS covered_days
FROM eventflow_stats.upkeep AS u
LEFT JOIN (
    SELECT min(greatest(dirty_from, eventflow_stats.day_start(bucket_date))) AS dirty_from, count(*) AS scopes
    FROM eventflow_stats.scopes
    WHERE dirty_since IS NOT NULL AND bucket_date BETWEEN :first_day AND :today
        -- What a held day lacks is told as held.
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE held_at IS NOT NULL)
) AS dirty ON true
LEFT JOIN (
    SELECT
        min(compared_at) AS drift_since,
        (array_agg(bucket_date ORDER BY compared_at, bucket_date))[1] AS drift_day,
        count(*) AS covered_days
    FROM (
        SELECT bucket_date, coalesce(seal_checked_at, whole_proved_at, covered_at) AS compared_at
        FROM eventflow_stats.days
        WHERE covered_at IS NOT NULL
    ) AS covered
) AS proofs ON true
