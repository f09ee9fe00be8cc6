-- Records the last tick of the 5-minute schedule. Parameters: ticked_at timestamptz; outcome text.
UPDATE eventflow_stats.progress
SET ticked_at = greatest(ticked_at, CAST(:ticked_at AS timestamptz)), tick_outcome = :outcome
