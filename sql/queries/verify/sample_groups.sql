-- Groups drawn at random, the same for the same seed, rollup and ledger: stored rows, and one place per client-day for
-- rows that may be missing. Reads no fact. Sealed days are left out: they are not compared with facts.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all; seed, most bigint.
-- Result: a row per place drawn, by day: is_row, and the row's key if it is one; population: the number of places.
WITH places AS NOT MATERIALIZED (
    SELECT bucket_date, client_id, id, uuid_hash_extended(id, :seed) AS lot
    FROM public.marketing_stats_daily
    WHERE bucket_date BETWEEN :first_day AND :last_day
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    UNION ALL
    SELECT
        bucket_date, client_id, NULL,
        uuid_hash_extended(client_id, hashint4extended(bucket_date - date '1970-01-01', :seed))
    FROM eventflow_stats.client_days
    WHERE bucket_date BETWEEN :first_day AND :last_day
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
)
SELECT
    bucket_date, client_id, id IS NOT NULL AS is_row, (SELECT count(*) FROM places) AS population,
    campaign_id, marketing_campaign_link_id AS link_id, utm_source, utm_medium, utm_campaign
FROM (
    SELECT bucket_date, client_id, id
    FROM places
    ORDER BY lot, bucket_date, client_id, id
    LIMIT :most
) AS drawn
LEFT JOIN public.marketing_stats_daily AS m USING (client_id, bucket_date, id)
ORDER BY bucket_date, client_id, id
