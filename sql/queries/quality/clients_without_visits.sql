-- The clients with entries on a day and without any visit. An entry that a visit names had one, before midnight.
-- Parameters: bucket_date date; least_entries bigint, entries that no visit names.
SELECT q.client_id, coalesce(n.name, CAST(q.client_id AS text)) AS client_name, q.entries
FROM eventflow_stats.marketing_data_quality_daily AS q
LEFT JOIN eventflow_stats.client_names AS n USING (client_id)
WHERE q.bucket_date = :bucket_date AND q.visits = 0 AND q.entries - q.linked_entries >= :least_entries
ORDER BY q.entries DESC, client_name
