-- How many discrepancies of a range of days were found, and how many repaired, by the day on which that happened.
-- Parameters: first_day, last_day date of the groups, both included; clients uuid[] or NULL for all; zone text, the
-- bucket time zone, in which the days are shown. Result: day, found, repaired, by day.
SELECT day, CAST(sum(found) AS bigint) AS found, CAST(sum(repaired) AS bigint) AS repaired
FROM (
    SELECT CAST(found_at AT TIME ZONE CAST(:zone AS text) AS date) AS day, 1 AS found, 0 AS repaired
    FROM eventflow_stats.discrepancies
    WHERE bucket_date BETWEEN :first_day AND :last_day
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    UNION ALL
    SELECT CAST(repaired_at AT TIME ZONE CAST(:zone AS text) AS date), 0, 1
    FROM eventflow_stats.discrepancies
    WHERE repaired_at IS NOT NULL
        AND bucket_date BETWEEN :first_day AND :last_day
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
) AS happened
GROUP BY day
ORDER BY day
