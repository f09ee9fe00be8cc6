-- Records that every client of a day was computed, and the number of its facts without a client. Until the day is
-- swept, a sweep is expected to take as long as this took.
-- Parameters: bucket_date date; window_start, window_end timestamptz. Reads measured_groups.
INSERT INTO eventflow_stats.days AS d (
    bucket_date, rebuilt_at, window_start, window_end, unresolved_facts, swept_seconds
)
SELECT
    CAST(:bucket_date AS date), now(), CAST(:window_start AS timestamptz), CAST(:window_end AS timestamptz),
    coalesce(CAST(sum(visit_facts + conversion_facts) FILTER (WHERE client_id IS NULL) AS bigint), 0),
    extract(epoch FROM clock_timestamp() - now())
FROM pg_temp.measured_groups
ON CONFLICT (bucket_date) DO UPDATE SET
    rebuilt_at = excluded.rebuilt_at,
    window_start = excluded.window_start,
    window_end = excluded.window_end,
    unresolved_facts = excluded.unresolved_facts,
    swept_seconds = coalesce(d.swept_seconds, excluded.swept_seconds)
