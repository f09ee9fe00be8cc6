-- The manual adjustments in force, summed by day. Parameters: first_day, last_day date, both included;
-- clients uuid[] or NULL for all. Result: a row per day with adjustments.
SELECT
    bucket_date, count(*) AS adjustments,
    CAST(sum(visits_delta) AS bigint) AS visits, CAST(sum(conversions_delta) AS bigint) AS conversions
FROM eventflow_stats.adjustments
WHERE reverted_at IS NULL AND bucket_date BETWEEN :first_day AND :last_day
    AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
GROUP BY bucket_date
