-- Releases the lock of lock_quality_day. Parameters: bucket_date date.
SELECT pg_advisory_unlock(hashtext('eventflow_stats.quality_day'), CAST(:bucket_date AS date) - date '1970-01-01')
