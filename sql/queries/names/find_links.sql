-- The links of a client with an id or name. Parameters: client_id uuid; wanted text.
SELECT link_id
FROM eventflow_stats.link_names
WHERE client_id = :client_id AND (CAST(link_id AS text) = lower(:wanted) OR name = :wanted)
ORDER BY link_id
