-- The client-days with groups that a verification found wrong and nothing has repaired yet, newest day first.
-- Parameters: repaired_by text[], names under which repairs were noted. Result: a row per day and client: how many
-- groups, since when the first of them is known, and how many of those repairs recomputed the client-day before.
SELECT bucket_date, client_id, open.groups, open.found_at, coalesce(closed.repairs, 0) AS repairs
FROM (
    SELECT bucket_date, client_id, count(*) AS groups, min(found_at) AS found_at
    FROM eventflow_stats.discrepancies
    WHERE repaired_at IS NULL
        -- Nothing of a held day is written: a repair would be in vain.
        AND bucket_date NOT IN (SELECT bucket_date FROM eventflow_stats.days WHERE held_at IS NOT NULL)
    GROUP BY bucket_date, client_id
) AS open
LEFT JOIN (
    SELECT bucket_date, client_id, count(DISTINCT repaired_by) AS repairs
    FROM eventflow_stats.discrepancies
    WHERE repaired_by = ANY (CAST(:repaired_by AS text[]))
    GROUP BY bucket_date, client_id
) AS closed USING (bucket_date, client_id)
ORDER BY bucket_date DESC, client_id
