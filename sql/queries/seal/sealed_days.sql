-- The sealed days of a range, oldest first. Parameters: first_day, last_day date, both included, or NULL for no limit.
SELECT
    bucket_date AS day, sealed_at, whole_verified_at AS verified_at, sealed_groups AS groups, sealed_visits AS visits,
    sealed_conversions AS conversions, seal_broken_at AS broken_at, late_facts
FROM eventflow_stats.days
WHERE sealed_at IS NOT NULL
    AND (CAST(:first_day AS date) IS NULL OR bucket_date >= CAST(:first_day AS date))
    AND (CAST(:last_day AS date) IS NULL OR bucket_date <= CAST(:last_day AS date))
ORDER BY bucket_date
