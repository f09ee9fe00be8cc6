-- Moves detection on. Parameters: detected_at timestamptz; new_facts bigint.
UPDATE eventflow_stats.upkeep
SET detected_at = greatest(detected_at, CAST(:detected_at AS timestamptz)), new_facts = :new_facts
