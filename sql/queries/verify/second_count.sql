-- The facts of a day as the views count them, and as the product's tables do: the two must be equal.
-- Parameters: bucket_date date. Reads measured_groups, which must hold the whole day. Result: one row.
SELECT m.measured_visits, m.measured_entries, c.visits AS counted_visits, c.entries AS counted_entries
FROM (
    SELECT
        coalesce(CAST(sum(visit_facts) AS bigint), 0) AS measured_visits,
        coalesce(CAST(sum(conversion_facts) AS bigint), 0) AS measured_entries
    FROM pg_temp.measured_groups
) AS m
CROSS JOIN eventflow_stats.count_facts(
    eventflow_stats.day_start(CAST(:bucket_date AS date)), eventflow_stats.day_start(CAST(:bucket_date AS date) + 1)
) AS c
