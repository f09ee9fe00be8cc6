-- One day's data quality over all clients: the sum of each count, and the facts without a client.
-- Parameters: bucket_date date. Result: one row.
SELECT
    count(*) AS clients,
    CAST(coalesce(sum(visit_facts), 0) AS bigint) AS visit_facts,
    CAST(coalesce(sum(visits), 0) AS bigint) AS visits,
    CAST(coalesce(sum(sessionless_visits), 0) AS bigint) AS sessionless_visits,
    CAST(coalesce(sum(entries), 0) AS bigint) AS entries,
    CAST(coalesce(sum(linked_entries), 0) AS bigint) AS linked_entries,
    CAST(coalesce(sum(visit_facts_with_utm), 0) AS bigint) AS visit_facts_with_utm,
    CAST(coalesce(sum(entries_with_utm), 0) AS bigint) AS entries_with_utm,
    CAST(coalesce(sum(visit_facts_with_link), 0) AS bigint) AS visit_facts_with_link,
    CAST(coalesce(sum(entries_with_link), 0) AS bigint) AS entries_with_link,
    CAST(coalesce(sum(tracked_entries), 0) AS bigint) AS tracked_entries,
    CAST(coalesce(sum(unknown_facts), 0) AS bigint) AS unknown_facts,
    coalesce(
        (SELECT unresolved_facts FROM eventflow_stats.days WHERE bucket_date = CAST(:bucket_date AS date)), 0
    ) AS unresolved_facts
FROM eventflow_stats.marketing_data_quality_daily
WHERE bucket_date = CAST(:bucket_date AS date)
