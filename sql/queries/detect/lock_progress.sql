-- Waits until this session is the only one that detects or writes upkeep's row; held until the session ends.
SELECT pg_advisory_lock(hashtext('eventflow_stats.progress'))
