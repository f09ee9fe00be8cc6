-- The covered days of a span that are due for a sweep, longest unlooked-at first: those named; at once when a row of the
-- product changed since, and every ``rest`` in any case; or when a row changed but not more often than every ``rest``.
-- A day rebuilt or verified whole since is as good as swept. A held day is always due: its facts may be back.
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
