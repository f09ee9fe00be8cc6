-- The reason why a day cannot be verified, found by its last whole rebuild or verification; no row, or NULL, if it can.
-- Parameters: bucket_date date.
SELECT unverifiable_reason FROM eventflow_stats.days WHERE bucket_date = :bucket_date
