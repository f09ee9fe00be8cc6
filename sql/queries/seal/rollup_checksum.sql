-- What the rollup holds for a day, in one row, with a checksum of everything in it that is a key or a number.
-- Parameters: bucket_date date. Result: groups, visits, conversions, checksum numeric.
-- A sum, so that no order matters; md5, because it is the same on every version and machine for ever.
SELECT
    count(*) AS groups,
    coalesce(CAST(sum(visits) AS bigint), 0) AS visits,
    coalesce(CAST(sum(conversions) AS bigint), 0) AS conversions,
    coalesce(sum(CAST(CAST('x' || left(md5(CAST(ROW(
        id, client_id, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign, visits, conversions
    ) AS text)), 15) AS bit(60)) AS bigint)), 0) AS checksum
FROM public.marketing_stats_daily
WHERE bucket_date = :bucket_date
