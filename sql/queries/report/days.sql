-- Every day of a range, oldest first. Parameters: first_day, last_day date, both included.
-- Result: day; computed: the whole day was computed; unverifiable; unresolved_facts: its facts without a client.
SELECT
    CAST(day AS date) AS day,
    d.rebuilt_at IS NOT NULL AS computed,
    d.sealed_at IS NULL AND (
        d.unverifiable_since IS NOT NULL
        OR EXISTS (SELECT FROM eventflow_stats.progress AS u WHERE u.unverifiable_since IS NOT NULL)
    ) AS unverifiable,
    coalesce(d.unresolved_facts, 0) AS unresolved_facts
FROM generate_series(CAST(:first_day AS date), CAST(:last_day AS date), interval '1 day') AS day
LEFT JOIN eventflow_stats.days AS d ON d.bucket_date = CAST(day AS date)
ORDER BY 1
