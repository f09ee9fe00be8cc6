-- Creates the working table for the rows of a visits file; dropped at commit.
CREATE TEMP TABLE staged_visits (
    line bigint,
    campaign text,
    session_id text,
    accessed_at timestamptz,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    utm_term text,
    utm_content text,
    cid text,
    referrer text
) ON COMMIT DROP
