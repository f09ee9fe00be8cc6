-- Closes the open discrepancies of the client-days that were just computed.
-- Parameters: bucket_date date; clients uuid[] or NULL for all; repaired_by text.
UPDATE eventflow_stats.discrepancies
SET repaired_at = now(), repaired_by = :repaired_by
WHERE repaired_at IS NULL
    AND bucket_date = :bucket_date
    AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
