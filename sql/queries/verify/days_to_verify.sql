-- The computed days that are due to be verified whole, longest unverified first: those not verified whole within an
-- interval, those verified before they ended, and those old enough to be sealed. For a sealed day, the time of the last
-- comparison of its rows with its checksum counts.
-- Parameters: within interval; seal_before date or NULL, the first day that is not to be sealed; most bigint.
SELECT bucket_date
FROM eventflow_stats.days
WHERE rebuilt_at IS NOT NULL
    AND (
        coalesce(seal_checked_at, whole_verified_at, rebuilt_at) < now() - CAST(:within AS interval)
        -- A day that could not be sealed is tried again every hour.
        OR (
            sealed_at IS NULL AND bucket_date < CAST(:seal_before AS date)
            AND coalesce(whole_verified_at, rebuilt_at) < now() - interval '1 hour'
        )
        OR (
            sealed_at IS NULL
            AND now() >= eventflow_stats.day_start(bucket_date + 1)
            AND (whole_verified_at IS NULL OR whole_verified_at < eventflow_stats.day_start(bucket_date + 1))
        )
    )
ORDER BY coalesce(seal_checked_at, whole_verified_at, rebuilt_at), bucket_date
LIMIT :most
