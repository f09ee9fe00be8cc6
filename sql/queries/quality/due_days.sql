-- The days whose data quality has to be computed, newest first, and the number of clients. All clients (NULL) where the
-- day was never computed, or was verified whole since. (A visit may name an entry of another day; only the visit's day
-- becomes stale.) Else the clients whose client-days were computed since. Sealed days are left out: their facts may be
-- gone.
-- Parameters: first_day, last_day date, both included; most bigint.
SELECT bucket_date, CASE WHEN bool_or(whole) THEN NULL ELSE count(*) END AS clients
FROM (
    SELECT s.bucket_date, q.computed_at IS NULL AS whole
    FROM eventflow_stats.client_days AS s
    LEFT JOIN eventflow_stats.quality_days AS q USING (bucket_date)
    WHERE s.computed_at > coalesce(q.computed_at, '-infinity')
    UNION ALL
    SELECT d.bucket_date, true
    FROM eventflow_stats.days AS d
    LEFT JOIN eventflow_stats.quality_days AS q USING (bucket_date)
    WHERE d.rebuilt_at IS NOT NULL AND (q.computed_at IS NULL OR d.whole_verified_at > q.computed_at)
) AS due
WHERE bucket_date BETWEEN :first_day AND :last_day
    AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
GROUP BY bucket_date
ORDER BY bucket_date DESC
LIMIT :most
