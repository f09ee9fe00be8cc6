-- Waits until only this session computes a day's data quality. Parameters: bucket_date date.
SELECT pg_advisory_lock(hashtext('eventflow_stats.quality_day'), CAST(:bucket_date AS date) - date '1970-01-01')
