-- Records changed rows that the sweeps have to find, and deletes the records since which every day was swept.
-- Parameters: first_day, today date: the days that are swept; seen_at, since timestamptz; changed_rows bigint or NULL;
-- found_within interval.
WITH checked AS (
    SELECT min(checked) AS checked
    FROM eventflow_stats.days_for_sweep
    WHERE bucket_date BETWEEN :first_day AND :today
), found AS (
    DELETE FROM eventflow_stats.unswept_changes AS c
    USING checked
    WHERE checked.checked IS NULL OR c.seen_at < checked.checked
)
INSERT INTO eventflow_stats.unswept_changes (seen_at, since, changed_rows, found_by)
SELECT
    CAST(:seen_at AS timestamptz), CAST(:since AS timestamptz), CAST(:changed_rows AS bigint),
    CAST(:seen_at AS timestamptz) + CAST(:found_within AS interval)
FROM checked
WHERE checked.checked IS NOT NULL
