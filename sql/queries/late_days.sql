-- The days before a day that have dirty scopes, oldest first, each with what tells one batch of late facts from
-- the next: the sum of its dirty scopes' generations. Parameters: before date; most bigint.
SELECT bucket_date, CAST(sum(generation) AS bigint) AS generations, count(*) AS scopes
FROM eventflow_stats.scopes
WHERE dirty_since IS NOT NULL AND bucket_date < :before
GROUP BY bucket_date
ORDER BY bucket_date
LIMIT :most
