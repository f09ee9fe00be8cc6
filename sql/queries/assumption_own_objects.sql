-- The views and functions of ours that have another owner or another definition than `migrate` gave them, and the
-- functions that are missing. Result: a line of text for each. definition is as in view present_objects.
-- The body of a function is read only where another transaction has written its row since: GRANT writes it, too.
WITH present AS (
    SELECT
        laid.kind, laid.name, laid.owner, v.oid AS found, pg_catalog.pg_get_userbyid(v.relowner) AS owner_now,
        laid.definition <> pg_catalog.concat_ws(' ', w.xmin, v.reloptions) AS is_changed
    FROM eventflow_stats.own_objects AS laid
    JOIN pg_catalog.pg_class AS v ON v.oid = laid.object_id
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid AND w.rulename = '_RETURN'
    WHERE laid.kind = 'view'
    UNION ALL
    SELECT
        laid.kind, laid.name, laid.owner, p.oid, pg_catalog.pg_get_userbyid(p.proowner),
        CASE
            WHEN pg_catalog.starts_with(laid.definition, CAST(p.xmin AS text) || ' ') THEN false
            ELSE pg_catalog.split_part(laid.definition, ' ', 2) <> pg_catalog.md5(pg_catalog.concat_ws(
                ' ', p.prosrc, p.prosqlbody, p.prosecdef, p.provolatile, p.proisstrict, p.proconfig
            ))
        END
    FROM eventflow_stats.own_objects AS laid
    LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = laid.object_id
    WHERE laid.kind = 'function'
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
