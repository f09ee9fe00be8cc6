-- The clients of a day whose scopes were not proved since they were computed or that have wrong groups, and whether
-- any scope was proved (if none, the day is best proved whole). Parameters: bucket_date date. Result: one row.
SELECT
    ARRAY(
        SELECT client_id FROM eventflow_stats.scopes
        WHERE bucket_date = CAST(:bucket_date AS date) AND computed_at IS NOT NULL AND proved_at IS NULL
        UNION
        SELECT client_id FROM eventflow_stats.discrepancies
        WHERE bucket_date = CAST(:bucket_date AS date) AND repaired_at IS NULL
    ) AS clients,
    EXISTS (
        SELECT FROM eventflow_stats.scopes
        WHERE bucket_date = CAST(:bucket_date AS date) AND proved_at IS NOT NULL
    ) AS some_proved
