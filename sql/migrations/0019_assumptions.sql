-- What verification itself rests on: when an assumption was found broken, and which ones a verification checked.
ALTER TABLE eventflow_stats.progress
    ADD COLUMN IF NOT EXISTS unverifiable_since timestamptz,
    ADD COLUMN IF NOT EXISTS unverifiable_reason text;
COMMENT ON COLUMN eventflow_stats.progress.unverifiable_since IS
    'Since when an assumption does not hold, so that nothing can be verified; NULL: all hold, as of the last detection.';
COMMENT ON COLUMN eventflow_stats.progress.unverifiable_reason IS 'Which assumption, what was found, and the remedy.';
ALTER TABLE eventflow_stats.days ADD COLUMN IF NOT EXISTS assumptions text[];
COMMENT ON COLUMN eventflow_stats.days.assumptions IS
    'The assumptions that were checked, and held, in the snapshot of the last verification of the whole day.';
