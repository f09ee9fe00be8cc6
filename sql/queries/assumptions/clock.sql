-- The latest stored instant that is later than the server's clock: the clock was ahead when it was written, or is
-- behind now. A minute is allowed, for the difference between two servers of one cluster. Result: a line of text, or no
-- row.
SELECT pg_catalog.format(
    '%s is dated %s UTC, %s ahead of the server''s clock', what,
    pg_catalog.to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
    pg_catalog.date_trunc('second', instant - pg_catalog.now())
)
FROM (
    SELECT 'the last detection' AS what, detected_at AS instant FROM eventflow_stats.progress
    UNION ALL
    SELECT 'the last check of the row counters', row_changes_at FROM eventflow_stats.progress
    UNION ALL
    SELECT 'the last tick', ticked_at FROM eventflow_stats.progress
    UNION ALL
    SELECT
        'a computation or verification of a day',
        greatest(max(rebuilt_at), max(verified_at), max(swept_at), max(whole_verified_at), max(seal_checked_at))
    FROM eventflow_stats.days
) AS stored
WHERE instant > pg_catalog.now() + interval '1 minute'
ORDER BY instant DESC
LIMIT 1
