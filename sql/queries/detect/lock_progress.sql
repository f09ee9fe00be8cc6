-- Waits until this session is the only one that detects or writes table progress, until the session ends.
SELECT pg_advisory_lock(hashtext('eventflow_stats.progress'))
