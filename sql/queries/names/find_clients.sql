-- The clients with an id, slug or name. Parameters: wanted text.
SELECT client_id, name
FROM eventflow_stats.client_names
WHERE CAST(client_id AS text) = lower(:wanted) OR slug = :wanted OR name = :wanted
ORDER BY client_id
