-- The totals of a day's rows in the rollup, in one row: groups, visits, conversions. Parameters: bucket_date date.
SELECT
    count(*) AS groups,
    coalesce(CAST(sum(visits) AS bigint), 0) AS visits,
    coalesce(CAST(sum(conversions) AS bigint), 0) AS conversions
FROM public.marketing_stats_daily
WHERE bucket_date = :bucket_date
