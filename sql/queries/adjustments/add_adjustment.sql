-- Adds a manual adjustment, or refuses with a line that says what would be right (PT400, PT409).
-- Parameters: client_id, bucket_date, campaign_id, link_id, utm_source, utm_medium, utm_campaign (NULL: absent);
-- visits, conversions bigint; reason, author text; again boolean. Result: the adjustment's number.
SELECT adjustment_id
FROM eventflow_stats.add_adjustment(
    client_id => :client_id, bucket_date => :bucket_date, visits_delta => :visits, conversions_delta => :conversions,
    reason => :reason, author => :author, campaign_id => :campaign_id, marketing_campaign_link_id => :link_id,
    utm_source => :utm_source, utm_medium => :utm_medium, utm_campaign => :utm_campaign, again => :again
)
