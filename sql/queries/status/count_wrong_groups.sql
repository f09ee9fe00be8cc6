-- The number of wrong groups of a range of days that are not repaired yet.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all.
SELECT count(*)
FROM eventflow_stats.discrepancies
WHERE repaired_at IS NULL
    AND bucket_date BETWEEN :first_day AND :last_day
    AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
