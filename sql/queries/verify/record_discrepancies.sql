-- Records every wrong group. One found again before its repair keeps its first record.
-- Parameters: bucket_date date. Reads group_differences and client_day_results.
INSERT INTO eventflow_stats.discrepancies AS known (
    client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign,
    stored_visits, stored_conversions, true_visits, true_conversions
)
SELECT
    d.client_id, CAST(:bucket_date AS date), d.campaign_id, d.link_id, d.utm_source, d.utm_medium, d.utm_campaign,
    d.stored_visits, d.stored_conversions, d.true_visits, d.true_conversions
FROM pg_temp.group_differences AS d
JOIN pg_temp.client_day_results AS v ON v.client_id = d.client_id AND v.result = 'wrong'
ON CONFLICT (
    client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign
) WHERE repaired_at IS NULL DO UPDATE SET
    last_seen_at = now(),
    stored_visits = excluded.stored_visits, stored_conversions = excluded.stored_conversions,
    true_visits = excluded.true_visits, true_conversions = excluded.true_conversions
