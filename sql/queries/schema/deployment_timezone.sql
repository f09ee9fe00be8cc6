-- The bucket time zone with which this database was first migrated. Result: one row, one text column.
SELECT bucket_timezone FROM eventflow_stats.deployment
