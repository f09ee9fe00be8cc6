-- Creates the session's working table for the groups that differ between rollup and facts; emptied at commit.
CREATE TEMP TABLE IF NOT EXISTS group_differences (
    client_id uuid,
    campaign_id uuid,
    link_id uuid,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    stored_visits bigint,
    stored_conversions bigint,
    true_visits bigint,
    true_conversions bigint
) ON COMMIT DELETE ROWS
