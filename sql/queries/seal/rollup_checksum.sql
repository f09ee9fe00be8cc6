-- The totals of a day's rows in the rollup, in one row, with a checksum of all their keys and numbers.
-- Parameters: bucket_date date. Result: groups, visits, conversions, checksum numeric.
-- A sum, so that the order does not matter; md5, because it is the same on every version and machine.
SELECT
    count(*) AS groups,
    coalesce(CAST(sum(visits) AS bigint), 0) AS visits,
    coalesce(CAST(sum(conversions) AS bigint), 0) AS conversions,
    coalesce(sum(CAST(CAST('x' || left(md5(CAST(ROW(
        id, client_id, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign, visits, conversions
    ) AS text)), 15) AS bit(60)) AS bigint)), 0) AS checksum
FROM public.marketing_stats_daily
WHERE bucket_date = :bucket_date
