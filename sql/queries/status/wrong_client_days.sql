-- The client-days with wrong groups that are not repaired yet, newest day first.
-- Parameters: repaired_by text[], the values to count. Result: a row per client-day: its wrong groups, when
-- the first of them was found, and how many of the given repairs recomputed the client-day before.
SELECT bucket_date, client_id, open.groups, open.found_at, coalesce(closed.repairs, 0) AS repairs
FROM (
    SELECT bucket_date, client_id, count(*) AS groups, min(found_at) AS found_at
    FROM eventflow_stats.discrepancies
    WHERE repaired_at IS NULL
        -- Nothing of a held day is written, so it cannot be repaired.
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
