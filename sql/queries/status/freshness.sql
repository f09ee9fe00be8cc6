-- The progress of detection, verification and sweeps in one row. Parameters: first_day, today date: the days that runs
-- can refresh.
--   fresh_through   the rollup contains every fact committed before this time: the last detection or, while client-days are
--                   stale, the time from which they may lack facts; for a day that had not begun then, its start, because
--                   no run could refresh it earlier
--   drift_since     the oldest time at which a computed day was last compared whole with its facts, a sealed one with its
--                   checksum; drift_day: that day
--   changed_since   since when rows of the product changed without all days swept afterwards, by the row counters as they
--                   are now; NULL: no change. changed_rows: how many, NULL: unknown. found_by: when the sweeps will have
--                   checked every day; NULL where the change was not recorded yet
--   sweep_seconds   how long a sweep of all days takes; NULL: never measured
SELECT
    now() AS at,
    u.detected_at,
    u.ticked_at,
    u.tick_outcome,
    u.visits_of_no_day,
    u.entries_of_no_day,
    least(u.detected_at, stale.stale_from) AS fresh_through,
    coalesce(stale.client_days, 0) AS stale_client_days,
    verifications.drift_since,
    verifications.drift_day,
    coalesce(verifications.computed_days, 0) AS computed_days,
    CASE WHEN unswept.records > 0 THEN unswept.since WHEN latest.changed THEN u.detected_at END AS changed_since,
    CASE WHEN NOT unswept.unknown AND NOT latest.unknown THEN unswept.changed_rows + latest.changed_rows END AS changed_rows,
    unswept.found_by,
    swept.sweep_seconds
FROM eventflow_stats.progress AS u
LEFT JOIN (
    SELECT min(greatest(stale_from, eventflow_stats.day_start(bucket_date))) AS stale_from, count(*) AS client_days
    FROM eventflow_stats.client_days
    WHERE stale_since IS NOT NULL AND bucket_date BETWEEN :first_day AND :today
        -- Held days are reported apart.
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE held_at IS NOT NULL)
) AS stale ON true
LEFT JOIN (
    SELECT
        min(compared_at) AS drift_since,
        (array_agg(bucket_date ORDER BY compared_at, bucket_date))[1] AS drift_day,
        count(*) AS computed_days
    FROM (
        SELECT bucket_date, coalesce(seal_checked_at, whole_verified_at, rebuilt_at) AS compared_at
        FROM eventflow_stats.days
        WHERE rebuilt_at IS NOT NULL AND bucket_date >= :first_day
    ) AS computed
) AS verifications ON true
CROSS JOIN (
    SELECT min(checked) AS checked, sum(sweep_seconds) AS sweep_seconds
    FROM eventflow_stats.days_for_sweep
    WHERE bucket_date BETWEEN :first_day AND :today
) AS swept
CROSS JOIN LATERAL (
    SELECT
        count(*) AS records, min(since) AS since, min(found_by) AS found_by,
        CAST(coalesce(sum(changed_rows), 0) AS bigint) AS changed_rows,
        coalesce(bool_or(changed_rows IS NULL), false) AS unknown
    FROM eventflow_stats.unswept_changes
    WHERE seen_at >= swept.checked
) AS unswept
CROSS JOIN LATERAL (
    -- Changes of the counters since they were last recorded.
    SELECT
        known AND (r.counters, r.changed_rows) IS DISTINCT FROM (u.counters, u.changed_rows) AS changed,
        known AND (r.counters <> u.counters OR r.changed_rows < u.changed_rows) AS unknown,
        CASE WHEN known THEN r.changed_rows - u.changed_rows ELSE 0 END AS changed_rows
    FROM eventflow_stats.row_changes AS r
    CROSS JOIN (SELECT u.counters IS NOT NULL AND u.detected_at IS NOT NULL AND swept.checked IS NOT NULL AS known) AS _
) AS latest
