-- The client-days of a range of days by state, counted by client and period.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all; period text, a unit of
-- date_trunc().
-- Result: a row per client, period and state: client-days, and how many of them are on missing days.
-- Every client-day of an unverifiable day is unverifiable, except on a sealed day: its rows are compared with a
-- checksum.
SELECT s.client_id, c.name AS client_name, s.period, s.state, s.client_days, s.missing
FROM (
    SELECT
        client_id,
        CAST(date_trunc(CAST(:period AS text), CAST(bucket_date AS timestamp)) AS date) AS period,
        CASE
            WHEN d.sealed_at IS NOT NULL THEN CASE WHEN d.seal_broken_at IS NULL THEN 'sealed' ELSE 'wrong' END
            WHEN d.unverifiable_since IS NOT NULL
                OR EXISTS (SELECT FROM eventflow_stats.progress AS u WHERE u.unverifiable_since IS NOT NULL)
                THEN 'unverifiable'
            WHEN wrong THEN 'wrong'
            WHEN d.held_at IS NOT NULL THEN 'held'
            WHEN computed_at IS NULL THEN 'never computed'
            WHEN stale_since IS NOT NULL THEN 'stale'
            WHEN of_client_day.verified_at IS NULL OR of_client_day.verified_at < computed_at THEN 'not verified'
            WHEN visit_facts + conversion_facts = 0 THEN 'no facts'
            ELSE 'verified'
        END AS state,
        count(*) AS client_days,
        count(*) FILTER (WHERE d.rebuilt_at IS NULL) AS missing
    FROM eventflow_stats.client_days AS of_client_day
    FULL JOIN (
        SELECT DISTINCT client_id, bucket_date, true AS wrong
        FROM eventflow_stats.discrepancies
        WHERE repaired_at IS NULL
    ) AS open USING (client_id, bucket_date)
    LEFT JOIN eventflow_stats.days AS d USING (bucket_date)
    WHERE bucket_date BETWEEN :first_day AND :last_day
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    GROUP BY 1, 2, 3
) AS s
LEFT JOIN eventflow_stats.client_names AS c USING (client_id)
ORDER BY s.client_id, s.period, s.state
