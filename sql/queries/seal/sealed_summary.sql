-- The sealed days in numbers, in one row: how many, the first day after them, the ones whose rows were edited, the ones
-- that facts arrived for and how many facts.
SELECT
    count(*) AS days,
    max(bucket_date) + 1 AS before,
    coalesce(array_agg(bucket_date ORDER BY bucket_date) FILTER (WHERE seal_broken_at IS NOT NULL), '{}') AS edited_days,
    coalesce(array_agg(bucket_date ORDER BY bucket_date) FILTER (WHERE late_facts > 0), '{}') AS late_days,
    coalesce(CAST(sum(late_facts) AS bigint), 0) AS late_facts
FROM eventflow_stats.days
WHERE sealed_at IS NOT NULL
