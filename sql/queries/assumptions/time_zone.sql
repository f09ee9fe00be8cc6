-- The first of many consecutive days whose start PostgreSQL reads differently than Python.
-- Parameters: zone text; first_day date; starts bigint[], the start of each day by Python, in seconds since 1970.
-- Result: one row with the day, or none.
SELECT CAST(:first_day AS date) + CAST(n AS integer) - 1
FROM unnest(CAST(:starts AS bigint[])) WITH ORDINALITY AS s (epoch, n)
CROSS JOIN LATERAL (SELECT to_timestamp(epoch) AS instant, CAST(:first_day AS date) + CAST(n AS integer) - 1 AS day) AS d
WHERE NOT (
    CAST(instant AT TIME ZONE CAST(:zone AS text) AS date) >= day
    AND CAST((instant - interval '1 microsecond') AT TIME ZONE CAST(:zone AS text) AS date) < day
)
ORDER BY n
LIMIT 1
