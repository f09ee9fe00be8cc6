-- The computed days that are due for a sweep, longest unchecked first:
--   1. the named days, and held days (their facts may be back): always
--   2. with at_once: a day that was checked before a row of the product changed, or longer ago than ``rest``
--   3. without at_once: a day that was checked before a row of the product changed, and longer ago than ``rest``
-- A sweep, a rebuild or a whole verification checks a day.
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
