-- The clients of a day that were not verified since they were computed, or have wrong groups; and whether any
-- client-day is verified (if none is, the whole day is verified instead). Parameters: bucket_date date. Result: one
-- row.
SELECT
    ARRAY(
        SELECT client_id FROM eventflow_stats.client_days
        WHERE bucket_date = CAST(:bucket_date AS date) AND computed_at IS NOT NULL AND verified_at IS NULL
        UNION
        SELECT client_id FROM eventflow_stats.discrepancies
        WHERE bucket_date = CAST(:bucket_date AS date) AND repaired_at IS NULL
    ) AS clients,
    EXISTS (
        SELECT FROM eventflow_stats.client_days
        WHERE bucket_date = CAST(:bucket_date AS date) AND verified_at IS NOT NULL
    ) AS some_verified
