-- Records that alerts were sent for a day's wrong groups, up to last_id. Does nothing while another session writes the
-- day, which would fail on a row that changed meanwhile. The groups then stay owed, and are recorded the next time.
-- Parameters: bucket_date date; last_id bigint.
UPDATE eventflow_stats.discrepancies
SET alerted_at = now()
WHERE bucket_date = :bucket_date
    AND alerted_at IS NULL
    AND discrepancy_id <= :last_id
    AND (
        SELECT pg_try_advisory_xact_lock(hashtext('eventflow_stats.day'), CAST(:bucket_date AS date) - date '1970-01-01')
    )
