-- Inserts the data quality of the day's new clients and updates the changed rows; unchanged rows are not written.
-- Parameters: bucket_date date. Reads measured_quality.
INSERT INTO eventflow_stats.marketing_data_quality_daily AS q (
    client_id, bucket_date, computed_at, visit_facts, visits, sessionless_visits, entries, linked_entries,
    visit_facts_with_utm, entries_with_utm, visit_facts_with_link, entries_with_link, tracked_entries, unknown_facts
)
SELECT
    client_id, CAST(:bucket_date AS date), now(), visit_facts, visits, sessionless_visits, entries, linked_entries,
    visit_facts_with_utm, entries_with_utm, visit_facts_with_link, entries_with_link, tracked_entries, unknown_facts
FROM pg_temp.measured_quality
ON CONFLICT (client_id, bucket_date) DO UPDATE SET
    computed_at = excluded.computed_at,
    visit_facts = excluded.visit_facts,
    visits = excluded.visits,
    sessionless_visits = excluded.sessionless_visits,
    entries = excluded.entries,
    linked_entries = excluded.linked_entries,
    visit_facts_with_utm = excluded.visit_facts_with_utm,
    entries_with_utm = excluded.entries_with_utm,
    visit_facts_with_link = excluded.visit_facts_with_link,
    entries_with_link = excluded.entries_with_link,
    tracked_entries = excluded.tracked_entries,
    unknown_facts = excluded.unknown_facts
WHERE (
    q.visit_facts, q.visits, q.sessionless_visits, q.entries, q.linked_entries, q.visit_facts_with_utm,
    q.entries_with_utm, q.visit_facts_with_link, q.entries_with_link, q.tracked_entries, q.unknown_facts
) IS DISTINCT FROM (
    excluded.visit_facts, excluded.visits, excluded.sessionless_visits, excluded.entries, excluded.linked_entries,
    excluded.visit_facts_with_utm, excluded.entries_with_utm, excluded.visit_facts_with_link,
    excluded.entries_with_link, excluded.tracked_entries, excluded.unknown_facts
)
