-- The days before a day that have dirty scopes, oldest first, each with what tells one batch of late facts from
-- the next: when its newest dirty scope became so. (Facts that join a dirty scope are in the same refresh.)
-- Parameters: before date; most bigint.
SELECT bucket_date, max(dirty_since) AS dirty_since, count(*) AS scopes
FROM eventflow_stats.scopes
WHERE dirty_since IS NOT NULL AND bucket_date < :before
GROUP BY bucket_date
ORDER BY bucket_date
LIMIT :most
