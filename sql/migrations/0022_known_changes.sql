-- Changes of facts that the row counters tell of and that no sweep has found yet: how many rows, since when, and by when
-- the sweeps will have looked at every day.

ALTER TABLE eventflow_stats.progress
    DROP COLUMN IF EXISTS row_changes,
    ADD COLUMN IF NOT EXISTS counters text,
    ADD COLUMN IF NOT EXISTS changed_rows bigint,
    ADD COLUMN IF NOT EXISTS inserted_facts bigint;
COMMENT ON COLUMN eventflow_stats.progress.counters IS
    'Which row counters were last looked at (view row_changes); numbers of other counters cannot be compared.';
COMMENT ON COLUMN eventflow_stats.progress.changed_rows IS 'View row_changes when last looked at.';
COMMENT ON COLUMN eventflow_stats.progress.inserted_facts IS
    'View row_changes when the facts of yesterday and today were last counted and were as many as the ledger knows.';

ALTER TABLE eventflow_stats.days ADD COLUMN IF NOT EXISTS swept_seconds double precision;
COMMENT ON COLUMN eventflow_stats.days.swept_seconds IS
    'How long the last sweep of the day took; before the first one, how long computing it took, which is longer.';

-- One row per look at the row counters that saw them move, as long as some day was not swept since.
CREATE TABLE IF NOT EXISTS eventflow_stats.unswept_changes (
    seen_at timestamptz PRIMARY KEY,
    since timestamptz NOT NULL,
    changed_rows bigint,
    found_by timestamptz NOT NULL
);
COMMENT ON COLUMN eventflow_stats.unswept_changes.since IS 'The look before: the rows changed after it.';
COMMENT ON COLUMN eventflow_stats.unswept_changes.changed_rows IS
    'NULL: an unknown number. The counters began anew, or a table or partition was emptied, added or dropped.';
COMMENT ON COLUMN eventflow_stats.unswept_changes.found_by IS
    'When every day will have been swept at the latest; later than that, something is wrong.';
REVOKE ALL ON eventflow_stats.unswept_changes FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, DELETE ON eventflow_stats.unswept_changes TO eventflow_stats_engine;
GRANT SELECT ON eventflow_stats.unswept_changes TO eventflow_stats_reader;

-- Made again, with other columns, from sql/functions.
DROP VIEW IF EXISTS eventflow_stats.row_changes;
