-- The first and last bucket day with facts. Parameters: clients uuid[] or NULL for all.
-- Result: one row, two dates; NULL without facts. Days outside Python's dates are left out.
SELECT
    CAST(min(first_at) AT TIME ZONE bucket_timezone AS date) AS first_day,
    CAST(max(last_at) AT TIME ZONE bucket_timezone AS date) AS last_day
FROM eventflow_stats.deployment, (
    SELECT min(event_at) AS first_at, max(event_at) AS last_at
    FROM eventflow_stats.visit_facts
    WHERE event_at >= '0001-01-02 00:00Z' AND event_at < '9999-12-31 00:00Z'
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    UNION ALL
    SELECT min(event_at), max(event_at)
    FROM eventflow_stats.conversion_facts
    WHERE event_at >= '0001-01-02 00:00Z' AND event_at < '9999-12-31 00:00Z'
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
) AS ends
GROUP BY bucket_timezone
