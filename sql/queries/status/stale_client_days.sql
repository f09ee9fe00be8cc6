-- The stale client-days, counted by reason and by whether a run can refresh them; the oldest first.
-- Parameters: first_day, today date. Result: reach is 'due', 'past' (before the first partition) or 'future'. A
-- client-day of a day found before that day began is stale since the day's start. Held days are left out: they wait for
-- an operator.
SELECT reach, reason, count(*) AS client_days, count(DISTINCT bucket_date) AS days,
    min(bucket_date) AS first_day, max(bucket_date) AS last_day, min(stale_since) AS oldest_since
FROM (
    SELECT
        bucket_date,
        CASE
            WHEN bucket_date > :today THEN stale_since
            ELSE greatest(stale_since, eventflow_stats.day_start(bucket_date))
        END AS stale_since,
        coalesce(stale_reason, 'unknown') AS reason,
        CASE WHEN bucket_date < :first_day THEN 'past' WHEN bucket_date > :today THEN 'future' ELSE 'due' END AS reach
    FROM eventflow_stats.client_days
    WHERE stale_since IS NOT NULL
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE held_at IS NOT NULL)
) AS stale
GROUP BY reach, reason
ORDER BY reach, oldest_since
