-- Records the row counters and the time, if they changed since they were last recorded.
-- Result: a row if they changed. known: they were recorded before; changed_rows: by how much they grew, NULL where that
-- is unknown (other counters, or smaller ones); since: the time of the last record; seen_at: now.
-- The clock is read after the counters: a sweep that begins later sees all rows that they counted.
UPDATE eventflow_stats.progress AS u
SET
    counters = checked.counters,
    changed_rows = checked.changed_rows,
    row_changes_at = clock_timestamp(),
    inserted_facts = CASE WHEN checked.counters = checked.known_counters THEN u.inserted_facts END
FROM (
    SELECT
        r.counters, r.changed_rows, before.counters AS known_counters, before.changed_rows AS known_rows,
        coalesce(before.detected_at, now()) AS since
    FROM eventflow_stats.row_changes AS r
    CROSS JOIN eventflow_stats.progress AS before
) AS checked
WHERE (checked.counters, checked.changed_rows) IS DISTINCT FROM (checked.known_counters, checked.known_rows)
RETURNING
    checked.known_counters IS NOT NULL AS known,
    CASE
        WHEN checked.counters = checked.known_counters AND checked.changed_rows >= checked.known_rows
            THEN checked.changed_rows - checked.known_rows
    END AS changed_rows,
    checked.since,
    u.row_changes_at AS seen_at
