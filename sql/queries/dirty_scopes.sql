-- The dirty scopes, counted by why they are dirty and by whether a run can refresh them; the longest dirty first.
-- Parameters: first_day, today date. Result: reach is 'due', or 'past' (before the first partition) or 'future'. What
-- is due counts from the beginning of its day, if it was found before. Those of held days wait for a person: left out.
SELECT reach, reason, count(*) AS scopes, count(DISTINCT bucket_date) AS days,
    min(bucket_date) AS first_day, max(bucket_date) AS last_day, min(dirty_since) AS oldest_since
FROM (
    SELECT
        bucket_date,
        CASE
            WHEN bucket_date > :today THEN dirty_since
            ELSE greatest(dirty_since, eventflow_stats.day_start(bucket_date))
        END AS dirty_since,
        coalesce(dirty_reason, 'unknown') AS reason,
        CASE WHEN bucket_date < :first_day THEN 'past' WHEN bucket_date > :today THEN 'future' ELSE 'due' END AS reach
    FROM eventflow_stats.scopes
    WHERE dirty_since IS NOT NULL
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE held_at IS NOT NULL)
) AS dirty
GROUP BY reach, reason
ORDER BY reach, oldest_since
