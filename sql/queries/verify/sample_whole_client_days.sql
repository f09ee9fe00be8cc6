-- Client-days drawn at random, the same for the same seed, rollup and ledger: those with a ledger entry or rows, stale
-- ones too. Sealed days are left out: they are not compared with facts. Parameters: first_day, last_day date, both
-- included; clients uuid[] or NULL for all; seed, most bigint. Result: a row per client-day drawn, by day, in the
-- columns of sample_groups.
WITH places AS (
    SELECT bucket_date, client_id FROM eventflow_stats.client_days
    WHERE bucket_date BETWEEN :first_day AND :last_day
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    UNION
    SELECT bucket_date, client_id FROM public.marketing_stats_daily
    WHERE bucket_date BETWEEN :first_day AND :last_day
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
)
SELECT
    bucket_date, client_id, false AS is_row, (SELECT count(*) FROM places) AS population,
    CAST(NULL AS uuid) AS campaign_id, CAST(NULL AS uuid) AS link_id,
    CAST(NULL AS text) AS utm_source, CAST(NULL AS text) AS utm_medium, CAST(NULL AS text) AS utm_campaign
FROM (
    SELECT bucket_date, client_id
    FROM places
    ORDER BY
        uuid_hash_extended(client_id, hashint4extended(bucket_date - date '1970-01-01', :seed)), bucket_date, client_id
    LIMIT :most
) AS drawn
ORDER BY bucket_date, client_id
