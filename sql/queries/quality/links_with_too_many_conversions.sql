-- The links with more conversions than visits over a span of days, from the rollup, most conversions first.
-- Parameters: first_day, last_day date, both included; least_conversions bigint.
SELECT
    m.client_id,
    coalesce(n.name, CAST(m.client_id AS text)) AS client_name,
    m.marketing_campaign_link_id AS link_id,
    coalesce(l.name, CAST(m.marketing_campaign_link_id AS text)) AS link_name,
    m.visits,
    m.conversions
FROM (
    SELECT
        client_id, marketing_campaign_link_id,
        CAST(sum(visits) AS bigint) AS visits, CAST(sum(conversions) AS bigint) AS conversions
    FROM public.marketing_stats_daily
    WHERE bucket_date BETWEEN :first_day AND :last_day AND marketing_campaign_link_id IS NOT NULL
    GROUP BY client_id, marketing_campaign_link_id
    HAVING sum(conversions) > sum(visits) AND sum(conversions) >= :least_conversions
) AS m
LEFT JOIN eventflow_stats.client_names AS n USING (client_id)
LEFT JOIN eventflow_stats.link_names AS l ON l.link_id = m.marketing_campaign_link_id
ORDER BY m.conversions DESC, client_name, link_name
