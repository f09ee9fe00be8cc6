-- Manual adjustments to groups of a range of days: those in force first, then newest first; and totals of all of them.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all; most bigint, rows at most.
-- Result: a row per adjustment, with totals that include the rows left out: how many are in force and reverted, and the
-- sums of those in force.
SELECT
    a.adjustment_id, a.client_id, c.name AS client_name, a.bucket_date, a.campaign_id,
    a.marketing_campaign_link_id AS link_id, l.name AS link_name, a.utm_source, a.utm_medium, a.utm_campaign,
    a.visits_delta, a.conversions_delta, a.reason, a.author, a.created_at, a.reverted_at, a.reverted_by,
    count(*) FILTER (WHERE a.reverted_at IS NULL) OVER () AS active,
    count(a.reverted_at) OVER () AS reverted,
    coalesce(CAST(sum(a.visits_delta) FILTER (WHERE a.reverted_at IS NULL) OVER () AS bigint), 0) AS active_visits,
    coalesce(CAST(sum(a.conversions_delta) FILTER (WHERE a.reverted_at IS NULL) OVER () AS bigint), 0)
        AS active_conversions
FROM eventflow_stats.adjustments AS a
LEFT JOIN eventflow_stats.client_names AS c ON c.client_id = a.client_id
LEFT JOIN eventflow_stats.link_names AS l ON l.link_id = a.marketing_campaign_link_id
WHERE a.bucket_date BETWEEN :first_day AND :last_day
    AND (CAST(:clients AS uuid[]) IS NULL OR a.client_id = ANY (CAST(:clients AS uuid[])))
ORDER BY a.reverted_at IS NOT NULL, a.created_at DESC, a.adjustment_id DESC
LIMIT :most
