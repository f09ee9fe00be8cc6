-- Writes to the ledger that a day was swept, and how many of its facts belong to no client.
-- Parameters: bucket_date date; unresolved_facts bigint.
INSERT INTO eventflow_stats.days AS d (bucket_date, swept_at, unresolved_facts)
VALUES (:bucket_date, now(), :unresolved_facts)
ON CONFLICT (bucket_date) DO UPDATE SET
    swept_at = excluded.swept_at, unresolved_facts = excluded.unresolved_facts
