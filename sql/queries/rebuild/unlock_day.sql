-- Releases the lock of lock_day. Parameters: bucket_date date.
SELECT pg_advisory_unlock(hashtext('eventflow_stats.day'), CAST(:bucket_date AS date) - date '1970-01-01')
