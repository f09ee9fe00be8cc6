-- Our views and functions with another owner or definition than `migrate` recorded, and functions that are missing.
-- Result: a line of text for each. definition: see view present_objects.
-- The body of a function is read only where a transaction has written its catalog row since; GRANT writes it, too.
WITH present AS (
    SELECT
        recorded.kind, recorded.name, recorded.owner, v.oid AS found, pg_catalog.pg_get_userbyid(v.relowner) AS owner_now,
        recorded.definition <> pg_catalog.concat_ws(' ', w.xmin, v.reloptions) AS is_changed
    FROM eventflow_stats.own_objects AS recorded
    JOIN pg_catalog.pg_class AS v ON v.oid = recorded.object_id
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid AND w.rulename = '_RETURN'
    WHERE recorded.kind = 'view'
    UNION ALL
    SELECT
        recorded.kind, recorded.name, recorded.owner, p.oid, pg_catalog.pg_get_userbyid(p.proowner),
        CASE
            WHEN pg_catalog.starts_with(recorded.definition, CAST(p.xmin AS text) || ' ') THEN false
            ELSE pg_catalog.split_part(recorded.definition, ' ', 2) <> pg_catalog.md5(pg_catalog.concat_ws(
                ' ', p.prosrc, p.prosqlbody, p.prosecdef, p.provolatile, p.proisstrict, p.proconfig
            ))
        END
    FROM eventflow_stats.own_objects AS recorded
    LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = recorded.object_id
    WHERE recorded.kind = 'function'
)
SELECT CASE
    WHEN found IS NULL THEN pg_catalog.format('%s %s is missing', kind, name)
    WHEN owner_now <> owner THEN pg_catalog.format(
        '%s %s belongs to %s, and should belong to %s', kind, name, owner_now, owner
    )
    ELSE pg_catalog.format('%s %s was changed', kind, name)
END
FROM present
WHERE found IS NULL OR owner_now <> owner OR is_changed
ORDER BY name
