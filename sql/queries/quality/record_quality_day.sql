-- Records that the data quality of a day was computed in this transaction's snapshot. Parameters: bucket_date date.
INSERT INTO eventflow_stats.quality_days AS d (bucket_date, computed_at)
VALUES (:bucket_date, now())
ON CONFLICT (bucket_date) DO UPDATE SET computed_at = excluded.computed_at
