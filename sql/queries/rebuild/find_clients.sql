-- The clients that a person may mean by an id, a slug or a name. Parameters: wanted text.
SELECT client_id, name
FROM eventflow_stats.client_names
WHERE CAST(client_id AS text) = lower(:wanted) OR slug = :wanted OR name = :wanted
ORDER BY client_id
