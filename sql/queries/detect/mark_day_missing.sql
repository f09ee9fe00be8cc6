-- Marks a day whose window changed as never computed: it is rebuilt for every client, and read from facts until then.
-- Parameters: bucket_date date.
UPDATE eventflow_stats.days SET rebuilt_at = NULL, verified_at = NULL WHERE bucket_date = :bucket_date
