-- The session's working table for the verdict on each scope of a day; empties itself at commit.
CREATE TEMP TABLE IF NOT EXISTS scope_verdicts (
    client_id uuid,
    verdict text,
    visit_facts bigint,
    conversion_facts bigint,
    fingerprint bigint
) ON COMMIT DELETE ROWS
