-- The wrong groups for which no alert was sent yet, by day, in the order in which they were found.
-- Parameters: most bigint, how many groups of a day.
-- Result: a row per group; owed: how many groups of the day have no alert; last_id: the last one's id.
SELECT *
FROM (
    SELECT
        x.discrepancy_id, x.bucket_date, x.client_id, c.name AS client_name, x.campaign_id,
        x.marketing_campaign_link_id AS link_id, l.name AS link_name, x.utm_source, x.utm_medium, x.utm_campaign,
        x.stored_visits, x.true_visits, x.stored_conversions, x.true_conversions,
        x.found_at, x.repaired_at,
        row_number() OVER (PARTITION BY x.bucket_date ORDER BY x.discrepancy_id) AS place,
        count(*) OVER (PARTITION BY x.bucket_date) AS owed,
        max(x.discrepancy_id) OVER (PARTITION BY x.bucket_date) AS last_id
    FROM eventflow_stats.discrepancies AS x
    LEFT JOIN eventflow_stats.client_names AS c ON c.client_id = x.client_id
    LEFT JOIN eventflow_stats.link_names AS l ON l.link_id = x.marketing_campaign_link_id
    WHERE x.alerted_at IS NULL
) AS owed
WHERE place <= :most
ORDER BY bucket_date, discrepancy_id
