-- Data quality over a range of days, by period: counts summed over clients and days, from which rates are computed.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all; period text, a unit of
-- date_trunc().
-- Result: period, the counts, by period.
SELECT
    CAST(date_trunc(CAST(:period AS text), CAST(bucket_date AS timestamp)) AS date) AS period,
    CAST(sum(visit_facts) AS bigint) AS visit_facts,
    CAST(sum(visits) AS bigint) AS visits,
    CAST(sum(sessionless_visits) AS bigint) AS sessionless_visits,
    CAST(sum(entries) AS bigint) AS entries,
    CAST(sum(linked_entries) AS bigint) AS linked_entries,
    CAST(sum(visit_facts_with_utm + entries_with_utm) AS bigint) AS facts_with_utm,
    CAST(sum(visit_facts_with_link + entries_with_link) AS bigint) AS facts_with_link,
    CAST(sum(tracked_entries) AS bigint) AS tracked_entries,
    CAST(sum(unknown_facts) AS bigint) AS unknown_facts
FROM eventflow_stats.marketing_data_quality_daily
WHERE bucket_date BETWEEN :first_day AND :last_day
    AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
GROUP BY 1
ORDER BY 1
