-- Unseals a day. Parameters: bucket_date date.
UPDATE eventflow_stats.days
SET
    sealed_at = NULL, sealed_snapshot = NULL, sealed_groups = NULL, sealed_visits = NULL, sealed_conversions = NULL,
    sealed_checksum = NULL, seal_checked_at = NULL, seal_broken_at = NULL, late_facts = 0, late_facts_at = NULL
WHERE bucket_date = :bucket_date
