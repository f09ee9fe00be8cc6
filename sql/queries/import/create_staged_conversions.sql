-- Creates the working table for the rows of a conversions file; dropped at commit.
CREATE TEMP TABLE staged_conversions (
    line bigint,
    campaign text,
    entry_id text,
    created_at timestamptz,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    utm_term text,
    utm_content text,
    cid text
) ON COMMIT DROP
