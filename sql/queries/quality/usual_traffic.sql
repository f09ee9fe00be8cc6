-- The clients that usually have traffic on a weekday: at least least_visits visits on at least least_weeks of the same
-- weekdays of the weeks before. Only known days count: those with computed data quality, from the client's first day
-- with visits in that time. Parameters: bucket_date date; weeks integer, how far back; least_weeks integer;
-- least_visits bigint.
-- Result: visits of the day itself as stored (0 without a row), and earlier: those of the known days, oldest first.
WITH reach AS MATERIALIZED (
    SELECT CAST(:bucket_date AS date) - 7 * CAST(:weeks AS integer) AS first_day
), known AS MATERIALIZED (
    SELECT bucket_date
    FROM eventflow_stats.quality_days
    WHERE bucket_date IN (
        SELECT CAST(:bucket_date AS date) - 7 * n FROM generate_series(1, CAST(:weeks AS integer)) AS n
    )
), clients AS MATERIALIZED (
    SELECT client_id, min(bucket_date) AS first_day
    FROM eventflow_stats.marketing_data_quality_daily
    WHERE bucket_date >= (SELECT first_day FROM reach) AND bucket_date < CAST(:bucket_date AS date) AND visits > 0
    GROUP BY client_id
), usual AS (
    SELECT
        c.client_id,
        c.first_day,
        count(*) FILTER (WHERE q.visits >= :least_visits) AS busy_weeks,
        array_agg(coalesce(q.visits, 0) ORDER BY k.bucket_date) AS earlier
    FROM clients AS c
    JOIN known AS k ON k.bucket_date >= c.first_day
    LEFT JOIN eventflow_stats.marketing_data_quality_daily AS q
        ON q.client_id = c.client_id AND q.bucket_date = k.bucket_date
    GROUP BY c.client_id, c.first_day
)
SELECT
    u.client_id,
    coalesce(n.name, CAST(u.client_id AS text)) AS client_name,
    u.first_day,
    u.earlier,
    coalesce(q.visits, 0) AS visits
FROM usual AS u
LEFT JOIN eventflow_stats.marketing_data_quality_daily AS q
    ON q.client_id = u.client_id AND q.bucket_date = CAST(:bucket_date AS date)
LEFT JOIN eventflow_stats.client_names AS n ON n.client_id = u.client_id
WHERE u.busy_weeks >= :least_weeks
ORDER BY client_name, u.client_id
