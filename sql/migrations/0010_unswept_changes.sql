-- One row per detection that saw the product's row counters change, until every day was swept after it.
CREATE TABLE IF NOT EXISTS eventflow_stats.unswept_changes (
    seen_at timestamptz PRIMARY KEY,
    -- The detection before: the rows changed after it.
    since timestamptz NOT NULL,
    -- NULL: unknown. The counters started from zero, or a table or partition was emptied, added or dropped.
    changed_rows bigint,
    -- When every day will have been swept at the latest. After that something is wrong.
    found_by timestamptz NOT NULL
);
