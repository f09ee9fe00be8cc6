-- What a refresh of one day has to recompute: its stale clients (or those with wrong groups), their facts when last
-- computed, the day's facts in all, whether the whole day was ever computed, and whether it is unverifiable (it is then
-- rebuilt whole).
-- Parameters: bucket_date date; wrong boolean: clients with wrong groups instead of stale ones.
SELECT
    coalesce(array_agg(client_id) FILTER (WHERE is_meant), '{}') AS clients,
    coalesce(CAST(sum(facts) FILTER (WHERE is_meant) AS bigint), 0) AS facts_to_read,
    coalesce(CAST(sum(facts) AS bigint), 0) AS facts,
    EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = CAST(:bucket_date AS date) AND d.rebuilt_at IS NOT NULL
    ) AS computed,
    EXISTS (
        SELECT FROM eventflow_stats.days AS d
        WHERE d.bucket_date = CAST(:bucket_date AS date) AND d.unverifiable_since IS NOT NULL
    ) AS unverifiable
FROM (
    -- A wrong group may belong to a client without a client-day: a row that nobody computed.
    SELECT
        client_id,
        coalesce(s.facts, 0) AS facts,
        CASE WHEN CAST(:wrong AS boolean) THEN wrong.is_wrong ELSE s.stale_since IS NOT NULL END AS is_meant
    FROM (
        SELECT client_id, visit_facts + conversion_facts AS facts, stale_since
        FROM eventflow_stats.client_days
        WHERE bucket_date = CAST(:bucket_date AS date)
    ) AS s
    FULL JOIN (
        SELECT DISTINCT client_id, true AS is_wrong
        FROM eventflow_stats.discrepancies
        WHERE bucket_date = CAST(:bucket_date AS date) AND repaired_at IS NULL
    ) AS wrong USING (client_id)
) AS known
