-- The missing days that have to be computed, newest first: those after the first computed day or the first day with
-- facts, and those from read_since on, with facts or without. (No run worked then, or a fact moved to before the first
-- computed day; nothing makes such days stale. Without a row in the ledger it is unknown whether a day has facts.) None
-- before the first day is computed. Parameters: first_day, last_day date, both included; read_since date.
WITH computed AS MATERIALIZED (
    SELECT min(bucket_date) AS first_day
    FROM eventflow_stats.days
    WHERE rebuilt_at IS NOT NULL AND bucket_date >= :first_day
), reach AS MATERIALIZED (
    SELECT
        eventflow_stats.day_start(CAST(:first_day AS date)) AS reach_start,
        eventflow_stats.day_start(first_day) AS reach_end
    FROM computed
), earlier AS (
    SELECT min(event_at) AS first_at
    FROM (
        SELECT event_at FROM eventflow_stats.visit_facts
        WHERE event_at >= (SELECT reach_start FROM reach) AND event_at < (SELECT reach_end FROM reach)
        UNION ALL
        SELECT event_at FROM eventflow_stats.conversion_facts
        WHERE event_at >= (SELECT reach_start FROM reach) AND event_at < (SELECT reach_end FROM reach)
    ) AS facts
)
SELECT CAST(day AS date)
FROM computed
CROSS JOIN earlier
CROSS JOIN eventflow_stats.deployment
CROSS JOIN LATERAL generate_series(
    greatest(
        least(
            computed.first_day, CAST(earlier.first_at AT TIME ZONE bucket_timezone AS date), CAST(:read_since AS date)
        ),
        CAST(:first_day AS date)
    ),
    CAST(:last_day AS date), interval '1 day'
) AS day
WHERE computed.first_day IS NOT NULL AND NOT EXISTS (
    SELECT FROM eventflow_stats.days AS d
    WHERE d.bucket_date = CAST(day AS date) AND (d.rebuilt_at IS NOT NULL OR d.held_at IS NOT NULL)
)
ORDER BY 1 DESC
