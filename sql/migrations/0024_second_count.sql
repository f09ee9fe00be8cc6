-- What the second count of a day found, and which wrong groups are owed an alert.
ALTER TABLE eventflow_stats.days
    ADD COLUMN IF NOT EXISTS counted_visits bigint,
    ADD COLUMN IF NOT EXISTS counted_entries bigint,
    ADD COLUMN IF NOT EXISTS unverifiable_since timestamptz,
    ADD COLUMN IF NOT EXISTS unverifiable_reason text;
COMMENT ON COLUMN eventflow_stats.days.counted_visits IS
    'Visits of the day in the product''s own table, as the last rebuild or verification of the whole day counted them a second time and the views gave as many. NULL: none yet.';
COMMENT ON COLUMN eventflow_stats.days.counted_entries IS
    'Entries of the day in the product''s own table, counted in the same way.';
COMMENT ON COLUMN eventflow_stats.days.unverifiable_since IS
    'Since when the second count differs from what the views give, so that nothing of the day can be verified or is written; NULL: it equals them, as of the last count.';
COMMENT ON COLUMN eventflow_stats.days.unverifiable_reason IS 'What differs, and the remedy.';

-- An alert for every group found wrong: alerted_at tells which are owed one still, whoever found them and was killed.
ALTER TABLE eventflow_stats.discrepancies ADD COLUMN IF NOT EXISTS alerted_at timestamptz;
COMMENT ON COLUMN eventflow_stats.discrepancies.alerted_at IS
    'When an alert told of this group, one of its own or the one that sums up many; NULL: it is owed.';
GRANT DELETE ON eventflow_stats.alerts TO eventflow_stats_engine;
-- Nobody is owed an alert of what was repaired before.
UPDATE eventflow_stats.discrepancies SET alerted_at = found_at WHERE repaired_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS discrepancies_owed_idx ON eventflow_stats.discrepancies (bucket_date) WHERE alerted_at IS NULL;

-- Facts of no day, which no partition ever has: counted by a tick when the row counters moved.
ALTER TABLE eventflow_stats.progress
    ADD COLUMN IF NOT EXISTS visits_of_no_day bigint,
    ADD COLUMN IF NOT EXISTS entries_of_no_day bigint,
    ADD COLUMN IF NOT EXISTS no_day_counters text;
COMMENT ON COLUMN eventflow_stats.progress.visits_of_no_day IS
    'Visits without a time, or of one that no calendar has (infinity): in no number. NULL: never counted.';
COMMENT ON COLUMN eventflow_stats.progress.entries_of_no_day IS 'Entries of this kind.';
COMMENT ON COLUMN eventflow_stats.progress.no_day_counters IS
    'What view row_changes said when they were counted: they are counted again when it says something else.';
