-- The covered days that are due for a sweep, longest unlooked-at first: those of the last days whenever
-- a row of the product changed since, the others then too but not more often than every ``rest``.
-- A day rebuilt or proved whole since is as good as swept.
-- Parameters: recent_from date; rest interval; most bigint.
SELECT d.bucket_date
FROM (
    SELECT bucket_date, greatest(covered_at, swept_at, whole_proved_at) AS looked_at
    FROM eventflow_stats.days
    WHERE covered_at IS NOT NULL
) AS d
CROSS JOIN eventflow_stats.upkeep AS u
WHERE (d.looked_at <= u.row_changes_at OR d.bucket_date >= CAST(:recent_from AS date))
    AND (
        d.looked_at <= now() - CAST(:rest AS interval)
        OR (d.bucket_date >= CAST(:recent_from AS date) AND d.looked_at <= u.row_changes_at)
    )
ORDER BY d.bucket_date >= CAST(:recent_from AS date) DESC, d.looked_at
LIMIT :most
