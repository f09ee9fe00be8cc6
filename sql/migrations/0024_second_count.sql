-- What the second count of a day found, and which wrong groups are owed an alert.
ALTER TABLE eventflow_stats.days
    ADD COLUMN IF NOT EXISTS counted_visits bigint,
    ADD COLUMN IF NOT EXISTS counted_entries bigint;
COMMENT ON COLUMN eventflow_stats.days.counted_visits IS
    'Visits of the day in the product''s own table, as the last verification of the whole day counted them a second time: the views gave as many. NULL: none yet.';
COMMENT ON COLUMN eventflow_stats.days.counted_entries IS
    'Entries of the day in the product''s own table, counted in the same way.';

-- An alert for every group found wrong: alerted_at tells which are owed one still, whoever found them and was killed.
ALTER TABLE eventflow_stats.discrepancies ADD COLUMN IF NOT EXISTS alerted_at timestamptz;
COMMENT ON COLUMN eventflow_stats.discrepancies.alerted_at IS
    'When an alert told of this group, one of its own or the one that sums up many; NULL: it is owed.';
-- Nobody is owed an alert of what was repaired before.
UPDATE eventflow_stats.discrepancies SET alerted_at = found_at WHERE repaired_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS discrepancies_owed_idx ON eventflow_stats.discrepancies (bucket_date) WHERE alerted_at IS NULL;
