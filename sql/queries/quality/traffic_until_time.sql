-- The visits of clients on a day until a time of day, and on the same weekdays before until the same time, from the
-- facts. (usual_traffic compares whole days.) Parameters: bucket_date date; elapsed interval since the day began; weeks
-- integer; clients uuid[] and first_days date[], of the same length: the first day of each client.
-- Result: a row per client; visits, and earlier: those of the known days, oldest first. It reads nine short spans of
-- each client by the index on (campaign_id, accessed_at).
SELECT
    c.client_id,
    coalesce(array_agg(v.visits ORDER BY w.bucket_date) FILTER (WHERE w.is_past), '{}') AS earlier,
    coalesce(max(v.visits) FILTER (WHERE NOT w.is_past), 0) AS visits
FROM unnest(CAST(:clients AS uuid[]), CAST(:first_days AS date[])) AS c (client_id, first_day)
JOIN (
    SELECT
        d.bucket_date,
        d.bucket_date < CAST(:bucket_date AS date) AS is_past,
        eventflow_stats.day_start(d.bucket_date) AS window_start,
        least(
            eventflow_stats.day_start(d.bucket_date) + CAST(:elapsed AS interval),
            eventflow_stats.day_start(d.bucket_date + 1)
        ) AS window_end
    FROM (
        SELECT CAST(:bucket_date AS date) - 7 * n AS bucket_date
        FROM generate_series(0, CAST(:weeks AS integer)) AS n
    ) AS d
    WHERE d.bucket_date = CAST(:bucket_date AS date)
        OR EXISTS (SELECT FROM eventflow_stats.quality_days AS q WHERE q.bucket_date = d.bucket_date)
) AS w ON w.bucket_date >= c.first_day
CROSS JOIN LATERAL (
    SELECT count(DISTINCT f.session_key) AS visits
    FROM eventflow_stats.visit_facts AS f
    WHERE f.client_id = c.client_id AND f.event_at >= w.window_start AND f.event_at < w.window_end
) AS v
GROUP BY c.client_id
