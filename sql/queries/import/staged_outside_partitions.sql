-- The first staged row whose day has no daily partition: it is before the first one, or after today.
-- Parameters: first_day date; table_name text. Reads staged_visits and staged_conversions. Result: one row, or none.
SELECT staged.line, CAST(staged.day AS text) AS day
FROM eventflow_stats.deployment AS d
CROSS JOIN LATERAL (
    SELECT v.line, CAST(v.accessed_at AT TIME ZONE d.bucket_timezone AS date) AS day
    FROM pg_temp.staged_visits AS v
    WHERE CAST(:table_name AS text) = 'staged_visits'
    UNION ALL
    SELECT c.line, CAST(c.created_at AT TIME ZONE d.bucket_timezone AS date)
    FROM pg_temp.staged_conversions AS c
    WHERE CAST(:table_name AS text) = 'staged_conversions'
) AS staged
WHERE staged.day < :first_day OR staged.day > CAST(now() AT TIME ZONE d.bucket_timezone AS date)
ORDER BY staged.line
LIMIT 1
