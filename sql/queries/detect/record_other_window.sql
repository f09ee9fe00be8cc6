-- Makes a day whose window changed one that was never computed whole: it is computed again for every client, and until
-- then read from facts. Parameters: bucket_date date.
UPDATE eventflow_stats.days SET rebuilt_at = NULL, verified_at = NULL WHERE bucket_date = :bucket_date
