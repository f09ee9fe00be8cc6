-- Counts the facts that belong to no day again, if the row counters changed since they were last counted.
WITH checked AS (
    SELECT concat_ws(' ', counters, changed_rows, inserted_facts) AS counters FROM eventflow_stats.row_changes
)
UPDATE eventflow_stats.progress
SET
    (visits_of_no_day, entries_of_no_day) = (SELECT visits, entries FROM eventflow_stats.count_facts_of_no_day()),
    no_day_counters = checked.counters
FROM checked
WHERE progress.no_day_counters IS DISTINCT FROM checked.counters
