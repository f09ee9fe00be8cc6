-- The views and functions of ours that have another owner or another definition than `migrate` gave them, and the
-- functions that are missing. Result: a line of text for each.
SELECT CASE
    WHEN present.name IS NULL THEN pg_catalog.format('%s %s is missing', laid.kind, laid.name)
    WHEN present.owner <> laid.owner THEN pg_catalog.format(
        '%s %s belongs to %s, and should belong to %s', laid.kind, laid.name, present.owner, laid.owner
    )
    ELSE pg_catalog.format('%s %s was changed', laid.kind, laid.name)
END
FROM eventflow_stats.own_objects AS laid
LEFT JOIN eventflow_stats.present_objects AS present ON present.kind = laid.kind AND present.name = laid.name
WHERE present.owner <> laid.owner OR present.definition <> laid.definition
    OR present.name IS NULL AND laid.kind = 'function'
ORDER BY laid.name
