-- Records the second count of a day, which equals the count of the views, and that the day can be verified again.
-- Parameters: bucket_date date; counted_visits, counted_entries bigint.
INSERT INTO eventflow_stats.days AS d (bucket_date, counted_visits, counted_entries)
VALUES (:bucket_date, :counted_visits, :counted_entries)
ON CONFLICT (bucket_date) DO UPDATE SET
    counted_visits = excluded.counted_visits,
    counted_entries = excluded.counted_entries,
    unverifiable_since = NULL,
    unverifiable_reason = NULL
