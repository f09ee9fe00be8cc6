-- One group as its facts say now, and the adjustments of it that are in force.
-- Parameters: client_id, bucket_date, campaign_id, link_id, utm_source, utm_medium, utm_campaign (NULL: absent).
SELECT measured_visits, measured_conversions, adjustments, visits_delta, conversions_delta
FROM eventflow_stats.adjusted_group(
    :client_id, :bucket_date, :campaign_id, :link_id, :utm_source, :utm_medium, :utm_campaign
)
