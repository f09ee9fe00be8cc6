-- What a refresh of one day has to do: its dirty clients, how many facts they had when last computed, the
-- day's facts in all, and whether the whole day was ever computed. Parameters: bucket_date date.
SELECT
    coalesce(array_agg(client_id) FILTER (WHERE dirty_since IS NOT NULL), '{}') AS dirty_clients,
    coalesce(CAST(sum(visit_facts + conversion_facts) FILTER (WHERE dirty_since IS NOT NULL) AS bigint), 0)
        AS dirty_facts,
    coalesce(CAST(sum(visit_facts + conversion_facts) AS bigint), 0) AS facts,
    EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = CAST(:bucket_date AS date) AND d.covered_at IS NOT NULL
    ) AS covered
FROM eventflow_stats.scopes
WHERE bucket_date = CAST(:bucket_date AS date)
