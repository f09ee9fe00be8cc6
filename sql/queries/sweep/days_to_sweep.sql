-- The computed days that are due for a sweep, longest unchecked first: the named ones; with at_once, those checked
-- before a row of the product changed, and each after every ``rest``; else those checked before a change, but not more
-- often than every ``rest``. A rebuild or whole verification checks a day as well. A held day is always due: its facts
-- may be back.
-- Parameters: first_day, last_day date, both included; named date[]; at_once boolean; rest interval; most bigint.
SELECT d.bucket_date
FROM eventflow_stats.days_for_sweep AS d
CROSS JOIN eventflow_stats.progress AS u
CROSS JOIN LATERAL (
    SELECT d.checked <= u.row_changes_at AS changed, d.checked <= now() - CAST(:rest AS interval) AS rested
) AS since
WHERE d.bucket_date BETWEEN :first_day AND :last_day
    AND (
        d.bucket_date = ANY (CAST(:named AS date[]))
        OR d.is_held
        OR CASE WHEN CAST(:at_once AS boolean) THEN since.changed OR since.rested ELSE since.changed AND since.rested END
    )
ORDER BY d.checked
LIMIT :most
