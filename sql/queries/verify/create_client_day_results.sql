-- Creates the session's working table for the results of a day's client-days; emptied at commit.
CREATE TEMP TABLE IF NOT EXISTS client_day_results (
    client_id uuid,
    result text,
    visit_facts bigint,
    conversion_facts bigint,
    fingerprint bigint
) ON COMMIT DELETE ROWS
