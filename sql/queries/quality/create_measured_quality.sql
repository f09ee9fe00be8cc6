-- Creates the session's working table for one day's data quality measured from facts; emptied at commit.
CREATE TEMP TABLE IF NOT EXISTS measured_quality (
    client_id uuid,
    visit_facts bigint,
    visits bigint,
    sessionless_visits bigint,
    entries bigint,
    linked_entries bigint,
    visit_facts_with_utm bigint,
    entries_with_utm bigint,
    visit_facts_with_link bigint,
    entries_with_link bigint,
    tracked_entries bigint,
    unknown_facts bigint
) ON COMMIT DELETE ROWS
