-- Records that the rows of a sealed day were compared with its checksum. If they differ, the first such time is kept.
-- Parameters: bucket_date date; intact boolean.
UPDATE eventflow_stats.days
SET
    seal_checked_at = now(),
    seal_broken_at = CASE WHEN NOT CAST(:intact AS boolean) THEN coalesce(seal_broken_at, now()) END
WHERE bucket_date = :bucket_date
RETURNING seal_broken_at
