-- The views of ours that are missing, or read another relation than the one that had the name when `migrate` made
-- them: a view stays with a table that is renamed or replaced. Result: a line of text for each.
SELECT CASE
    WHEN present.name IS NULL THEN pg_catalog.format('view %s is missing', laid.name)
    ELSE pg_catalog.format(
        'view %s reads %s, and should read %s', laid.name,
        (
            SELECT pg_catalog.string_agg(relation, ', ' ORDER BY relation)
            FROM pg_catalog.unnest(present.reads) AS relation WHERE relation <> ALL (laid.reads)
        ),
        (
            SELECT pg_catalog.string_agg(relation, ', ' ORDER BY relation)
            FROM pg_catalog.unnest(laid.reads) AS relation WHERE relation <> ALL (present.reads)
        )
    )
END
FROM eventflow_stats.own_objects AS laid
LEFT JOIN eventflow_stats.present_objects AS present ON present.kind = laid.kind AND present.name = laid.name
WHERE laid.kind = 'view' AND (present.name IS NULL OR present.reads <> laid.reads)
ORDER BY laid.name
