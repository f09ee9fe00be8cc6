-- The last trusted time: that of the last detection that is not later than the server's clock. NULL if there is none;
-- detection then reads all facts. Result: one row, trusted_at and unverified_since (never NULL).
SELECT trusted_at, coalesce(trusted_at, least(d.created_at, now())) AS unverified_since
FROM eventflow_stats.deployment AS d
CROSS JOIN (
    SELECT CASE
        WHEN detected_at <= now() + interval '1 minute' THEN detected_at
        WHEN detected_before <= now() + interval '1 minute' THEN detected_before
    END AS trusted_at
    FROM eventflow_stats.progress
) AS u
