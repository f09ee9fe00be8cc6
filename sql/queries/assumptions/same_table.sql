-- The views of ours that are missing, and the names of relations that another one has now than the views read: a view
-- stays with a table that is renamed, and knows nothing of another that gets its name. (That each view reads what it
-- read is an assumption of its own.) Result: a line of text for each.
SELECT CASE
    WHEN laid.kind = 'view' THEN pg_catalog.format('view %s is missing', laid.name)
    ELSE pg_catalog.format('%s was renamed or replaced: the views read another table than the one of this name', laid.name)
END
FROM eventflow_stats.own_objects AS laid
WHERE laid.kind <> 'function' AND pg_catalog.to_regclass(laid.name) IS DISTINCT FROM laid.object_id
ORDER BY laid.name
