-- The covered days that are due to be proved whole, longest unproved first: those not proved whole within an
-- interval, and those that had not ended when they last were. Parameters: within interval; most bigint.
SELECT bucket_date
FROM eventflow_stats.days
WHERE covered_at IS NOT NULL
    AND (
        coalesce(whole_proved_at, covered_at) < now() - CAST(:within AS interval)
        OR (
            now() >= eventflow_stats.day_start(bucket_date + 1)
            AND (whole_proved_at IS NULL OR whole_proved_at < eventflow_stats.day_start(bucket_date + 1))
        )
    )
ORDER BY coalesce(whole_proved_at, covered_at), bucket_date
LIMIT :most
