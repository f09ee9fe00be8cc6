-- The covered days of a span that are due for a sweep, longest unlooked-at first: at once when a row of the product
-- changed since, and every ``rest`` in any case; or then too but not more often than every ``rest``.
-- A day rebuilt or proved whole since is as good as swept. A sealed day is never due; a held one always is: its facts
-- may be back.
-- Parameters: first_day, last_day date, both included; at_once boolean; rest interval; most bigint.
SELECT d.bucket_date
FROM (
    SELECT
        bucket_date, greatest(covered_at, swept_at, whole_proved_at) AS looked_at, held_at IS NOT NULL AS held
    FROM eventflow_stats.days
    WHERE (covered_at IS NOT NULL OR held_at IS NOT NULL) AND sealed_at IS NULL
        AND bucket_date BETWEEN :first_day AND :last_day
) AS d
CROSS JOIN eventflow_stats.upkeep AS u
CROSS JOIN LATERAL (
    SELECT d.looked_at <= u.row_changes_at AS changed, d.looked_at <= now() - CAST(:rest AS interval) AS rested
) AS since
WHERE d.held OR CASE WHEN CAST(:at_once AS boolean) THEN since.changed OR since.rested ELSE since.changed AND since.rested END
ORDER BY d.looked_at
LIMIT :most
