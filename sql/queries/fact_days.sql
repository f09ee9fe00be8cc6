-- The first and last bucket day that has facts. Parameters: clients uuid[] or NULL for all.
-- Result: one row, two dates; NULL without facts.
SELECT
    CAST(min(first_at) AT TIME ZONE bucket_timezone AS date) AS first_day,
    CAST(max(last_at) AT TIME ZONE bucket_timezone AS date) AS last_day
FROM eventflow_stats.deployment, (
    SELECT min(event_at) AS first_at, max(event_at) AS last_at
    FROM eventflow_stats.visit_facts
    WHERE CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[]))
    UNION ALL
    SELECT min(event_at), max(event_at)
    FROM eventflow_stats.conversion_facts
    WHERE CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[]))
) AS ends
GROUP BY bucket_timezone
