-- The computed client-days of a range of days by the age of their verification: none since they were computed, or
-- within an hour, 6 hours, a day, a week, or older. Sealed days are counted apart: they are not verified again.
-- Parameters: first_day, last_day date, both included; clients uuid[] or NULL for all.
-- Result: one row: client-days by age, and the age of the oldest verification.
SELECT
    count(*) FILTER (WHERE verified AND age < interval '1 hour') AS hour,
    count(*) FILTER (WHERE verified AND age >= interval '1 hour' AND age < interval '6 hours') AS six_hours,
    count(*) FILTER (WHERE verified AND age >= interval '6 hours' AND age < interval '24 hours') AS day,
    count(*) FILTER (WHERE verified AND age >= interval '24 hours' AND age < interval '168 hours') AS week,
    count(*) FILTER (WHERE verified AND age >= interval '168 hours') AS longer,
    count(*) FILTER (WHERE NOT verified AND NOT sealed) AS never,
    count(*) FILTER (WHERE sealed) AS sealed,
    max(age) FILTER (WHERE verified) AS oldest
FROM (
    SELECT
        now() - s.verified_at AS age,
        coalesce(s.verified_at >= s.computed_at, false) AND d.sealed_at IS NULL AS verified,
        d.sealed_at IS NOT NULL AS sealed
    FROM eventflow_stats.client_days AS s
    LEFT JOIN eventflow_stats.days AS d USING (bucket_date)
    WHERE computed_at IS NOT NULL
        AND bucket_date BETWEEN :first_day AND :last_day
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
) AS client_days
