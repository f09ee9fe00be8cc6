-- How a proof came out: scopes per verdict, wrong groups and what they differ by in all (stored minus true), and
-- whether all that was asked for was ever computed: the whole day, or each named client's scope of it.
-- Parameters: bucket_date date; clients uuid[] or NULL for all. Reads scope_verdicts and differing_groups. Result: one row.
SELECT
    scopes.proved_scopes, scopes.stale_scopes, scopes.wrong_scopes,
    wrong.wrong_groups, wrong.visits_difference, wrong.conversions_difference,
    EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = :bucket_date AND d.covered_at IS NOT NULL
    ) OR (
        CAST(:clients AS uuid[]) IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM unnest(CAST(:clients AS uuid[])) AS named (client_id)
            LEFT JOIN eventflow_stats.scopes AS s
                ON s.client_id = named.client_id AND s.bucket_date = :bucket_date AND s.computed_at IS NOT NULL
            WHERE s.client_id IS NULL
        )
    ) AS covered
FROM (
    SELECT
        count(*) FILTER (WHERE verdict = 'proved') AS proved_scopes,
        count(*) FILTER (WHERE verdict = 'stale') AS stale_scopes,
        count(*) FILTER (WHERE verdict = 'wrong') AS wrong_scopes
    FROM pg_temp.scope_verdicts
) AS scopes
CROSS JOIN (
    SELECT
        count(*) AS wrong_groups,
        CAST(coalesce(sum(coalesce(stored_visits, 0) - coalesce(true_visits, 0)), 0) AS bigint) AS visits_difference,
        CAST(
            coalesce(sum(coalesce(stored_conversions, 0) - coalesce(true_conversions, 0)), 0) AS bigint
        ) AS conversions_difference
    FROM pg_temp.differing_groups AS d
    JOIN pg_temp.scope_verdicts AS w ON w.client_id = d.client_id AND w.verdict = 'wrong'
) AS wrong
