-- The numbers of one group measured from its facts now, and the sum of its adjustments in force.
-- Parameters: client_id, bucket_date, campaign_id, link_id, utm_source, utm_medium, utm_campaign (NULL: absent).
SELECT measured_visits, measured_conversions, adjustments, visits_delta, conversions_delta
FROM eventflow_stats.adjusted_group(
    :client_id, :bucket_date, :campaign_id, :link_id, :utm_source, :utm_medium, :utm_campaign
)
