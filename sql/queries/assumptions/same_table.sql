-- Our views that are missing, and the relations whose name another relation has now: a view reads the relation that had
-- the name when the view was created, also after it was renamed. (That each view is unchanged is another assumption.)
-- Result: a line of text for each.
SELECT CASE
    WHEN recorded.kind = 'view' THEN pg_catalog.format('view %s is missing', recorded.name)
    ELSE pg_catalog.format('%s was renamed or replaced: the views read another table than the one of this name', recorded.name)
END
FROM eventflow_stats.own_objects AS recorded
WHERE recorded.kind <> 'function' AND pg_catalog.to_regclass(recorded.name) IS DISTINCT FROM recorded.object_id
ORDER BY recorded.name
