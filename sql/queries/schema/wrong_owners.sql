-- The statements that give views and functions of ours back to their owners: eventflow_stats_reader for the functions
-- that are made as it, for the others the owner that was recorded, or the current user where that one is gone (another
-- database, restored as another user). A view that the current user may not give away is dropped, which the owner of
-- the schema may do; a function is not: policies and views call it.
-- Parameters: of_the_reader text[], names of functions with their schema. Result: found; remedy, a statement for whoever
-- has the right; statement, what the current user can do, or NULL.
WITH owned AS (
    SELECT
        present.kind, present.name, present.owner,
        CASE
            WHEN split_part(present.name, '(', 1) = ANY (CAST(:of_the_reader AS text[])) THEN 'eventflow_stats_reader'
            WHEN pg_has_role(recorded.rolname, 'MEMBER') THEN recorded.rolname
            WHEN laid.owner IS NULL AND pg_has_role(CAST(present.owner AS name), 'USAGE') THEN present.owner
            ELSE current_user
        END AS wanted
    FROM eventflow_stats.present_objects AS present
    LEFT JOIN eventflow_stats.own_objects AS laid ON laid.kind = present.kind AND laid.name = present.name
    LEFT JOIN pg_roles AS recorded ON recorded.rolname = laid.owner
)
SELECT
    format('%s %s belongs to %s', kind, name, owner) AS found,
    format('ALTER %s %s OWNER TO %I', kind, name, wanted) AS remedy,
    CASE
        WHEN pg_has_role(CAST(owner AS name), 'USAGE') THEN format('ALTER %s %s OWNER TO %I', kind, name, wanted)
        WHEN kind = 'view' THEN format('DROP VIEW %s', name)
    END AS statement
FROM owned
WHERE owner <> wanted AND kind <> 'relation'
ORDER BY kind DESC, name
