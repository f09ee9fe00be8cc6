-- The groups that differ between rollup and facts, with the result of their client-day, wrong ones first.
-- Parameters: most bigint, rows at most. Reads group_differences and client_day_results.
SELECT
    v.result, d.client_id, c.name AS client_name, d.campaign_id, d.link_id,
    l.name AS link_name, d.utm_source, d.utm_medium, d.utm_campaign,
    d.stored_visits, d.true_visits, d.stored_conversions, d.true_conversions
FROM pg_temp.group_differences AS d
JOIN pg_temp.client_day_results AS v ON v.client_id = d.client_id
LEFT JOIN eventflow_stats.client_names AS c ON c.client_id = d.client_id
LEFT JOIN eventflow_stats.link_names AS l ON l.link_id = d.link_id
ORDER BY v.result DESC, d.client_id, d.campaign_id, d.link_id, d.utm_source, d.utm_medium, d.utm_campaign
LIMIT :most
