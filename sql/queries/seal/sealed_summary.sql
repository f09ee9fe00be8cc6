-- The sealed days in one row: how many, the first day after them, those whose rows were edited, and those that facts
-- arrived for, with the number of these facts.
SELECT
    count(*) AS days,
    max(bucket_date) + 1 AS before,
    coalesce(array_agg(bucket_date ORDER BY bucket_date) FILTER (WHERE seal_broken_at IS NOT NULL), '{}') AS edited_days,
    coalesce(array_agg(bucket_date ORDER BY bucket_date) FILTER (WHERE late_facts > 0), '{}') AS late_days,
    coalesce(CAST(sum(late_facts) AS bigint), 0) AS late_facts
FROM eventflow_stats.days
WHERE sealed_at IS NOT NULL
