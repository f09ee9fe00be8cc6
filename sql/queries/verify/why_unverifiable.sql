-- Why a day cannot be verified, as the last whole computation or verification of it found; no row, or NULL: it can.
-- Parameters: bucket_date date.
SELECT unverifiable_reason FROM eventflow_stats.days WHERE bucket_date = :bucket_date
