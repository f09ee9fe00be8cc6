-- Our views and functions that have the wrong owner, with the statements that give them back. The right owner of
-- functions created as the reader is eventflow_stats_reader; of the others the recorded owner, or the current user
-- where that role does not exist (a dump restored as another user). A view that the current user may not give away is
-- dropped, which the owner of the schema may do. A function is not dropped, because policies and views call it.
-- Parameters: of_the_reader text[], names of functions with their schema. Result: found; remedy, a statement for a user
-- with the right; statement, what the current user can do, or NULL.
WITH owned AS (
    SELECT
        present.kind, present.name, present.owner,
        CASE
            WHEN split_part(present.name, '(', 1) = ANY (CAST(:of_the_reader AS text[])) THEN 'eventflow_stats_reader'
            WHEN pg_has_role(owner_role.rolname, 'MEMBER') THEN owner_role.rolname
            WHEN recorded.owner IS NULL AND pg_has_role(CAST(present.owner AS name), 'USAGE') THEN present.owner
            ELSE current_user
        END AS wanted
    FROM eventflow_stats.present_objects AS present
    LEFT JOIN eventflow_stats.own_objects AS recorded ON recorded.kind = present.kind AND recorded.name = present.name
    LEFT JOIN pg_roles AS owner_role ON owner_role.rolname = recorded.owner
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
