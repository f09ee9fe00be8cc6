-- Deletes the data quality of a day's clients that have no facts on it any more.
-- Parameters: bucket_date date; clients uuid[] or NULL for all. Reads measured_quality.
DELETE FROM eventflow_stats.marketing_data_quality_daily AS q
WHERE q.bucket_date = :bucket_date
    AND (CAST(:clients AS uuid[]) IS NULL OR q.client_id = ANY (CAST(:clients AS uuid[])))
    AND NOT EXISTS (SELECT FROM pg_temp.measured_quality AS m WHERE m.client_id = q.client_id)
