-- Records a detection. Parameters: detected_at timestamptz; new_facts bigint; inserted_facts bigint, the number of the
-- row counters if the facts of the newest days were counted and are all known, else NULL.
-- Where the time advances by more than an hour, the old one is kept in detected_before: the clock may have been set
-- ahead.
UPDATE eventflow_stats.progress
SET
    detected_before = CASE
        WHEN CAST(:detected_at AS timestamptz) > detected_at + interval '1 hour' THEN detected_at ELSE detected_before
    END,
    detected_at = greatest(detected_at, CAST(:detected_at AS timestamptz)),
    new_facts = :new_facts,
    inserted_facts = coalesce(CAST(:inserted_facts AS bigint), inserted_facts)
