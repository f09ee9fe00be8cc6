-- The first line of a conversions file whose entry is already in an earlier line of the file, and that line.
-- Reads staged_conversions. Result: one row, or none.
SELECT entry_id, campaign, line, first_line
FROM (
    SELECT entry_id, campaign, line, min(line) OVER (PARTITION BY campaign, entry_id) AS first_line
    FROM pg_temp.staged_conversions
) AS numbered
WHERE line <> first_line
ORDER BY line
LIMIT 1
