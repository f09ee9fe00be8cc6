-- The days of a range that were not computed, or not proved since, or have dirty scopes, oldest first: as a whole, or
-- for the clients named.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for whole days.
SELECT CAST(day AS date)
FROM generate_series(CAST(:first_day AS date), CAST(:last_day AS date), interval '1 day') AS day
WHERE CASE
    WHEN CAST(:clients AS uuid[]) IS NULL THEN NOT EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = CAST(day AS date) AND d.proof_result = 'proved' AND d.proved_at >= d.covered_at
    ) OR EXISTS (
        -- A refresh recomputes scopes, and leaves the day's own times as they were.
        SELECT FROM eventflow_stats.scopes AS s
        WHERE s.bucket_date = CAST(day AS date) AND (s.dirty_since IS NOT NULL OR s.proved_at IS NULL)
    )
    ELSE (
        SELECT count(*) FROM eventflow_stats.scopes AS s
        WHERE s.bucket_date = CAST(day AS date)
            AND s.client_id = ANY (CAST(:clients AS uuid[]))
            AND s.dirty_since IS NULL AND s.proved_at IS NOT NULL
    ) < cardinality(CAST(:clients AS uuid[]))
END
ORDER BY 1
