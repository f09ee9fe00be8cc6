-- Compares rollup and facts of one day in both directions: finds every group that is not equal in both.
-- Parameters: bucket_date date; clients uuid[] or NULL for all. Reads measured_groups, fills group_differences.
-- A UNION ALL grouped by the key treats NULL as a value and gives the differences directly.
INSERT INTO pg_temp.group_differences
SELECT
    client_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign,
    CAST(sum(stored_visits) AS bigint), CAST(sum(stored_conversions) AS bigint),
    CAST(sum(true_visits) AS bigint), CAST(sum(true_conversions) AS bigint)
FROM (
    SELECT
        client_id, campaign_id, marketing_campaign_link_id AS link_id, utm_source, utm_medium, utm_campaign,
        visits AS stored_visits, conversions AS stored_conversions,
        CAST(NULL AS bigint) AS true_visits, CAST(NULL AS bigint) AS true_conversions
    FROM public.marketing_stats_daily
    WHERE bucket_date = :bucket_date
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    UNION ALL
    SELECT
        client_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign,
        NULL, NULL, visits, conversions
    FROM pg_temp.measured_groups
    WHERE client_id IS NOT NULL
) AS both_sides
GROUP BY client_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign
HAVING sum(stored_visits) IS DISTINCT FROM sum(true_visits)
    OR sum(stored_conversions) IS DISTINCT FROM sum(true_conversions)
