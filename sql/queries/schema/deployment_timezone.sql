-- The bucket time zone this database was first migrated with.
-- Result: one row, one text column.
SELECT bucket_timezone FROM eventflow_stats.deployment
