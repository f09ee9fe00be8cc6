-- Replaces the changes to sweep that were seen later than the server's clock by one that is seen now.
WITH ahead AS (
    DELETE FROM eventflow_stats.unswept_changes
    WHERE seen_at > now() + interval '1 minute'
    RETURNING seen_at, since, changed_rows, found_by
)
INSERT INTO eventflow_stats.unswept_changes (seen_at, since, changed_rows, found_by)
SELECT
    now(), least(min(since), now()),
    CASE WHEN bool_and(changed_rows IS NOT NULL) THEN CAST(sum(changed_rows) AS bigint) END,
    now() + max(found_by - seen_at)
FROM ahead
HAVING count(*) > 0
