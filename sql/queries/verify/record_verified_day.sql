-- Records that a day is verified as a whole, once each of its client-days was verified since it was computed and no
-- group of it is known to be wrong. So verifying the remaining clients completes a day. Parameters: bucket_date date.
UPDATE eventflow_stats.days AS d
SET verified_at = now(), verification_result = 'verified', wrong_groups = 0, stale_client_days = 0
WHERE d.bucket_date = :bucket_date
    AND d.rebuilt_at IS NOT NULL
    AND d.held_at IS NULL
    AND d.unverifiable_since IS NULL
    AND NOT EXISTS (
        SELECT FROM eventflow_stats.discrepancies AS x
        WHERE x.bucket_date = d.bucket_date AND x.repaired_at IS NULL
    )
    AND NOT EXISTS (
        SELECT FROM eventflow_stats.client_days AS s
        WHERE s.bucket_date = d.bucket_date
            AND (s.stale_since IS NOT NULL OR s.verified_at IS NULL)
    )
