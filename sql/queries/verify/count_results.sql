-- The results of a verification in one row: client-days per result, wrong groups and their differences in all (stored
-- minus true), and whether everything asked for was ever computed: the whole day, or the client-day of each given
-- client.
-- Parameters: bucket_date date; clients uuid[] or NULL for all. Reads client_day_results and group_differences.
SELECT
    client_days.verified_client_days, client_days.stale_client_days, client_days.wrong_client_days,
    wrong.wrong_groups, wrong.visits_difference, wrong.conversions_difference,
    EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = :bucket_date AND d.rebuilt_at IS NOT NULL
    ) OR (
        CAST(:clients AS uuid[]) IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM unnest(CAST(:clients AS uuid[])) AS named (client_id)
            LEFT JOIN eventflow_stats.client_days AS s
                ON s.client_id = named.client_id AND s.bucket_date = :bucket_date AND s.computed_at IS NOT NULL
            WHERE s.client_id IS NULL
        )
    ) AS computed
FROM (
    SELECT
        count(*) FILTER (WHERE result = 'verified') AS verified_client_days,
        count(*) FILTER (WHERE result = 'stale') AS stale_client_days,
        count(*) FILTER (WHERE result = 'wrong') AS wrong_client_days
    FROM pg_temp.client_day_results
) AS client_days
CROSS JOIN (
    SELECT
        count(*) AS wrong_groups,
        CAST(coalesce(sum(coalesce(stored_visits, 0) - coalesce(true_visits, 0)), 0) AS bigint) AS visits_difference,
        CAST(
            coalesce(sum(coalesce(stored_conversions, 0) - coalesce(true_conversions, 0)), 0) AS bigint
        ) AS conversions_difference
    FROM pg_temp.group_differences AS d
    JOIN pg_temp.client_day_results AS w ON w.client_id = d.client_id AND w.result = 'wrong'
) AS wrong
