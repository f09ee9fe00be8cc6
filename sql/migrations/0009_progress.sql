-- One row per database: until when facts were detected, and the last tick of the schedule.
CREATE TABLE IF NOT EXISTS eventflow_stats.progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Every fact committed before this instant, less the detection overlap, is in the rollup or its client's day is known
    -- to lack it (client-days.stale_since).
    detected_at timestamptz,
    -- detected_at before it last advanced by more than an hour. Detection goes back to it if the clock was ahead then.
    detected_before timestamptz,
    -- Facts that the last detection found.
    new_facts bigint,

    -- View row_changes, as the last detection read it. Its numbers can be compared only while counters is the same text.
    counters text,
    changed_rows bigint,
    -- inserted_facts of the view when the facts of the last days were last counted and all were known.
    inserted_facts bigint,
    -- When changed_rows or counters last changed. Days that were not swept since are to be swept.
    row_changes_at timestamptz,

    -- Visits and entries without a time, or with one outside the calendar (infinity). They are in no number. NULL: never
    -- counted.
    visits_of_no_day bigint,
    entries_of_no_day bigint,
    -- View row_changes when they were counted. They are counted again when it differs.
    no_day_counters text,

    -- Since when an assumption does not hold, so that nothing can be verified. NULL: all hold, as of the last detection.
    unverifiable_since timestamptz,
    -- The assumption, the finding and the remedy.
    unverifiable_reason text,

    -- The last tick of the schedule: the time at which it was due.
    ticked_at timestamptz,
    tick_outcome text
);
INSERT INTO eventflow_stats.progress DEFAULT VALUES ON CONFLICT DO NOTHING;
