-- The views and functions of ours as the catalog has them now; table own_objects holds what `migrate` made them.
-- definition changes with every change of the view or function, reads names the relations that a view reads (NULL for
-- a function). Catalogs alone: an assumption of every rebuild is a join of the two.
CREATE OR REPLACE VIEW eventflow_stats.present_objects AS
SELECT
    'view' AS kind,
    format('eventflow_stats.%I', v.relname) AS name,
    CAST(pg_get_userbyid(v.relowner) AS text) AS owner,
    md5(concat(CAST(w.ev_action AS text), v.reloptions)) AS definition,
    (
        SELECT array_agg(DISTINCT format('%I.%I', n.nspname, t.relname) ORDER BY format('%I.%I', n.nspname, t.relname))
        FROM pg_depend AS d
        JOIN pg_class AS t ON t.oid = d.refobjid
        JOIN pg_namespace AS n ON n.oid = t.relnamespace
        WHERE d.classid = CAST('pg_rewrite' AS regclass) AND d.objid = w.oid
            AND d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid <> v.oid
    ) AS reads
FROM pg_class AS v
JOIN pg_rewrite AS w ON w.ev_class = v.oid AND w.rulename = '_RETURN'
WHERE v.relnamespace = CAST('eventflow_stats' AS regnamespace) AND v.relkind = 'v'
UNION ALL
SELECT
    'function',
    format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    CAST(pg_get_userbyid(p.proowner) AS text),
    md5(concat_ws(' ', p.prosrc, p.prosqlbody, p.prosecdef, p.provolatile, p.proconfig)),
    NULL
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'eventflow_stats' OR n.nspname = 'public' AND p.proname LIKE 'marketing\_%';

REVOKE ALL ON eventflow_stats.present_objects FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.present_objects TO eventflow_stats_engine;
