-- An adjustment of the same group with the same numbers and reason, by any author; one in force first.
-- Parameters: client_id, bucket_date, campaign_id, link_id, utm_source, utm_medium, utm_campaign (NULL: absent);
-- visits, conversions bigint; reason text.
SELECT adjustment_id, reverted_at
FROM eventflow_stats.adjustments
WHERE client_id = :client_id AND bucket_date = :bucket_date
    AND visits_delta = :visits AND conversions_delta = :conversions AND reason = btrim(:reason, E' \t\n\r\f\x0B')
    AND campaign_id IS NOT DISTINCT FROM :campaign_id
    AND marketing_campaign_link_id IS NOT DISTINCT FROM :link_id
    AND utm_source IS NOT DISTINCT FROM eventflow_stats.utm_value(:utm_source)
    AND utm_medium IS NOT DISTINCT FROM eventflow_stats.utm_value(:utm_medium)
    AND utm_campaign IS NOT DISTINCT FROM eventflow_stats.utm_value(:utm_campaign)
ORDER BY reverted_at DESC NULLS FIRST
LIMIT 1
