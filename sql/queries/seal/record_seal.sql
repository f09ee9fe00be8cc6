-- Seals a day that was verified in this transaction.
-- Parameters: bucket_date date; groups, visits, conversions bigint; checksum numeric.
UPDATE eventflow_stats.days
SET
    sealed_at = now(), sealed_snapshot = pg_current_snapshot(), sealed_groups = :groups, sealed_visits = :visits,
    sealed_conversions = :conversions, sealed_checksum = :checksum, seal_checked_at = now(), seal_broken_at = NULL,
    late_facts = 0, late_facts_at = NULL
WHERE bucket_date = :bucket_date
