-- Waits until this session is the only writer of a day. Parameters: bucket_date date.
SELECT pg_advisory_lock(hashtext('eventflow_stats.day'), CAST(:bucket_date AS date) - date '1970-01-01')
