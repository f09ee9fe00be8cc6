-- Totals of the rollup over a range of days: by day, by source, by link, and in all.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all.
-- Result: part ('day', 'source', 'link', 'all'), label (NULL: absent dimension), visits, conversions.
SELECT
    CASE
        WHEN grouping(m.bucket_date) = 0 THEN 'day'
        WHEN grouping(m.utm_source) = 0 THEN 'source'
        WHEN grouping(m.marketing_campaign_link_id) = 0 THEN 'link'
        ELSE 'all'
    END AS part,
    CASE
        WHEN grouping(m.bucket_date) = 0 THEN CAST(m.bucket_date AS text)
        WHEN grouping(m.utm_source) = 0 THEN m.utm_source
        WHEN m.marketing_campaign_link_id IS NOT NULL
            THEN coalesce(max(link.name), CAST(m.marketing_campaign_link_id AS text))
    END AS label,
    coalesce(CAST(sum(m.visits) AS bigint), 0) AS visits,
    coalesce(CAST(sum(m.conversions) AS bigint), 0) AS conversions
FROM public.marketing_stats_daily AS m
LEFT JOIN eventflow_stats.link_names AS link ON link.link_id = m.marketing_campaign_link_id
WHERE m.bucket_date BETWEEN :first_day AND :last_day
    AND (CAST(:clients AS uuid[]) IS NULL OR m.client_id = ANY (CAST(:clients AS uuid[])))
GROUP BY GROUPING SETS ((m.bucket_date), (m.utm_source), (m.marketing_campaign_link_id), ())
