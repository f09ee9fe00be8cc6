-- The session's working table for the result on each client-day of a day; empties itself at commit.
CREATE TEMP TABLE IF NOT EXISTS client_day_results (
    client_id uuid,
    result text,
    visit_facts bigint,
    conversion_facts bigint,
    fingerprint bigint
) ON COMMIT DELETE ROWS
