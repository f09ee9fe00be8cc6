-- Notes that alerts told of a day's wrong groups, up to the last one's id. Only while nobody writes the day: a writer
-- would fail on a row that changed under it; then they stay owed, and are noted when they are raised next.
-- Parameters: bucket_date date; last_id bigint.
UPDATE eventflow_stats.discrepancies
SET alerted_at = now()
WHERE bucket_date = :bucket_date
    AND alerted_at IS NULL
    AND discrepancy_id <= :last_id
    AND (
        SELECT pg_try_advisory_xact_lock(hashtext('eventflow_stats.day'), CAST(:bucket_date AS date) - date '1970-01-01')
    )
