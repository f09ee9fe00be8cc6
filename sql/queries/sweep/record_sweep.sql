-- Records that a day was swept, the number of its facts without a client, and how long the sweep took.
-- Parameters: bucket_date date; unresolved_facts bigint; seconds double precision.
INSERT INTO eventflow_stats.days AS d (bucket_date, swept_at, unresolved_facts, swept_seconds)
VALUES (:bucket_date, now(), :unresolved_facts, :seconds)
ON CONFLICT (bucket_date) DO UPDATE SET
    swept_at = excluded.swept_at,
    unresolved_facts = excluded.unresolved_facts,
    swept_seconds = excluded.swept_seconds
