-- How a proof came out: scopes per verdict, wrong groups, and whether the whole day was ever computed.
-- Parameters: bucket_date date. Reads scope_verdicts and differing_groups. Result: one row.
SELECT
    count(*) FILTER (WHERE verdict = 'proved') AS proved_scopes,
    count(*) FILTER (WHERE verdict = 'stale') AS stale_scopes,
    count(*) FILTER (WHERE verdict = 'wrong') AS wrong_scopes,
    (
        SELECT count(*)
        FROM pg_temp.differing_groups AS d
        JOIN pg_temp.scope_verdicts AS w ON w.client_id = d.client_id AND w.verdict = 'wrong'
    ) AS wrong_groups,
    EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = :bucket_date AND d.covered_at IS NOT NULL
    ) AS covered
FROM pg_temp.scope_verdicts
