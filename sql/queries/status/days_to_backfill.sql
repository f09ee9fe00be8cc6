-- The days of a range that were not computed, were not verified since, or have stale client-days, oldest first: as a
-- whole, or for the clients given. Parameters: first_day, last_day date, both included; clients uuid[] or NULL for
-- whole days.
SELECT CAST(day AS date)
FROM generate_series(CAST(:first_day AS date), CAST(:last_day AS date), interval '1 day') AS day
WHERE CASE
    WHEN CAST(:clients AS uuid[]) IS NULL THEN NOT EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = CAST(day AS date) AND d.verification_result = 'verified' AND d.verified_at >= d.rebuilt_at
    ) OR EXISTS (
        -- A refresh recomputes client-days, and does not change the day's own times.
        SELECT FROM eventflow_stats.client_days AS s
        WHERE s.bucket_date = CAST(day AS date) AND (s.stale_since IS NOT NULL OR s.verified_at IS NULL)
    )
    ELSE (
        SELECT count(*) FROM eventflow_stats.client_days AS s
        WHERE s.bucket_date = CAST(day AS date)
            AND s.client_id = ANY (CAST(:clients AS uuid[]))
            AND s.stale_since IS NULL AND s.verified_at IS NOT NULL
    ) < cardinality(CAST(:clients AS uuid[]))
END
ORDER BY 1
