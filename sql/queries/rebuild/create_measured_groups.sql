-- Creates the session's working table for one day's groups measured from facts; emptied at commit.
CREATE TEMP TABLE IF NOT EXISTS measured_groups (
    id uuid,
    client_id uuid,
    campaign_id uuid,
    link_id uuid,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    visits bigint,
    conversions bigint,
    visit_facts bigint,
    conversion_facts bigint,
    fingerprint bigint
) ON COMMIT DELETE ROWS
