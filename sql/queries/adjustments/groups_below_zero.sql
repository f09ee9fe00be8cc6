-- The groups whose numbers are negative with the adjustments in force, because facts disappeared after these.
SELECT
    a.client_id, a.bucket_date, a.campaign_id, a.marketing_campaign_link_id AS link_id,
    a.utm_source, a.utm_medium, a.utm_campaign
FROM eventflow_stats.adjustments AS a
JOIN eventflow_stats.days AS d ON d.bucket_date = a.bucket_date AND d.rebuilt_at IS NOT NULL
LEFT JOIN public.marketing_stats_daily AS m
    ON m.client_id = a.client_id AND m.bucket_date = a.bucket_date
    AND m.id = eventflow_stats.group_id(
        a.client_id, a.bucket_date, a.campaign_id, a.marketing_campaign_link_id,
        a.utm_source, a.utm_medium, a.utm_campaign
    )
WHERE a.reverted_at IS NULL
GROUP BY
    a.client_id, a.bucket_date, a.campaign_id, a.marketing_campaign_link_id,
    a.utm_source, a.utm_medium, a.utm_campaign
HAVING coalesce(max(m.visits), 0) + sum(a.visits_delta) < 0
    OR coalesce(max(m.conversions), 0) + sum(a.conversions_delta) < 0
ORDER BY a.bucket_date, a.client_id
