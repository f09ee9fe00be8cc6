-- The discrepancies of a range of days, open ones first, then newest first; and how many there are in all.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all; most bigint, rows at most.
-- Result: a row per discrepancy: the stored and the true numbers, and how it was repaired.
SELECT
    d.client_id, c.name AS client_name, d.bucket_date, d.campaign_id,
    d.marketing_campaign_link_id AS link_id, l.name AS link_name, d.utm_source, d.utm_medium, d.utm_campaign,
    d.stored_visits, d.true_visits, d.stored_conversions, d.true_conversions,
    d.found_at, d.repaired_at, d.repaired_by,
    count(*) OVER () AS in_all
FROM eventflow_stats.discrepancies AS d
LEFT JOIN eventflow_stats.client_names AS c ON c.client_id = d.client_id
LEFT JOIN eventflow_stats.link_names AS l ON l.link_id = d.marketing_campaign_link_id
WHERE d.bucket_date BETWEEN :first_day AND :last_day
    AND (CAST(:clients AS uuid[]) IS NULL OR d.client_id = ANY (CAST(:clients AS uuid[])))
ORDER BY d.repaired_at IS NOT NULL, d.found_at DESC, d.discrepancy_id DESC
LIMIT :most
