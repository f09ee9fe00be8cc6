-- Manual adjustments with the names of their clients and links, newest day first.
-- Parameters, NULL for all: adjustment_id bigint; first_day, last_day date, both included; clients uuid[];
-- and reverted boolean: list reverted ones too.
SELECT
    a.adjustment_id, a.client_id, client.name AS client_name, a.bucket_date,
    a.campaign_id, a.marketing_campaign_link_id AS link_id, link.name AS link_name,
    a.utm_source, a.utm_medium, a.utm_campaign, a.visits_delta, a.conversions_delta,
    a.reason, a.author, a.recorded_by, a.created_at,
    a.reverted_reason, a.reverted_by, a.reverted_recorded_by, a.reverted_at
FROM eventflow_stats.adjustments AS a
LEFT JOIN eventflow_stats.client_names AS client ON client.client_id = a.client_id
LEFT JOIN eventflow_stats.link_names AS link
    ON link.link_id = a.marketing_campaign_link_id AND link.client_id = a.client_id
WHERE (CAST(:adjustment_id AS bigint) IS NULL OR a.adjustment_id = :adjustment_id)
    AND (CAST(:first_day AS date) IS NULL OR a.bucket_date >= :first_day)
    AND (CAST(:last_day AS date) IS NULL OR a.bucket_date <= :last_day)
    AND (CAST(:clients AS uuid[]) IS NULL OR a.client_id = ANY (CAST(:clients AS uuid[])))
    AND (:reverted OR a.reverted_at IS NULL)
ORDER BY a.bucket_date DESC, a.adjustment_id DESC
