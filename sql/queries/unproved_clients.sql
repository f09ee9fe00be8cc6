-- The clients of a day whose scopes were not proved since they were computed, and whether any scope was (if none,
-- the day is best proved whole). Parameters: bucket_date date. Result: one row.
SELECT
    coalesce(array_agg(client_id) FILTER (WHERE proved_at IS NULL OR proved_at < computed_at), '{}') AS clients,
    coalesce(bool_or(proved_at >= computed_at), false) AS some_proved
FROM eventflow_stats.scopes
WHERE bucket_date = CAST(:bucket_date AS date) AND computed_at IS NOT NULL
