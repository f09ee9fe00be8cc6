-- Moves detection on. Parameters: detected_at timestamptz; new_facts bigint; inserted_facts bigint, the row counters'
-- number if the facts of the last days were counted and are all known, else NULL.
UPDATE eventflow_stats.upkeep
SET
    detected_at = greatest(detected_at, CAST(:detected_at AS timestamptz)),
    new_facts = :new_facts,
    inserted_facts = coalesce(CAST(:inserted_facts AS bigint), inserted_facts)
