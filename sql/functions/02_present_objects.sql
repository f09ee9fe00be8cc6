-- One row per view or function of ours, and per relation that one of these views reads, as the catalog has them now.
-- `migrate` records the rows in table own_objects; the assumptions compare the two. definition changes with every
-- change: of a view, it holds the transaction that wrote the view's rule; of a function, the transaction that wrote its
-- catalog row, and a digest of its body and settings, which a GRANT does not change; NULL for a relation.
-- made_by: the transaction that wrote it last; NULL for a relation.
CREATE OR REPLACE VIEW eventflow_stats.present_objects AS
SELECT
    'view' AS kind,
    format('eventflow_stats.%I', v.relname) AS name,
    v.oid AS object_id,
    CAST(pg_get_userbyid(v.relowner) AS text) AS owner,
    concat_ws(' ', w.xmin, v.reloptions) AS definition,
    w.xmin AS made_by
FROM pg_class AS v
JOIN pg_rewrite AS w ON w.ev_class = v.oid AND w.rulename = '_RETURN'
WHERE v.relnamespace = CAST('eventflow_stats' AS regnamespace) AND v.relkind = 'v'
UNION ALL
SELECT
    'function',
    format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    p.oid,
    CAST(pg_get_userbyid(p.proowner) AS text),
    concat_ws(' ', p.xmin, md5(concat_ws(
        ' ', p.prosrc, p.prosqlbody, p.prosecdef, p.provolatile, p.proisstrict, p.proconfig
    ))),
    p.xmin
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.prokind = 'f' AND (n.nspname = 'eventflow_stats' OR n.nspname = 'public' AND p.proname LIKE 'marketing\_%')
UNION ALL
SELECT DISTINCT ON (t.oid)
    'relation', format('%I.%I', n.nspname, t.relname), t.oid, CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS xid)
FROM pg_class AS v
JOIN pg_rewrite AS w ON w.ev_class = v.oid AND w.rulename = '_RETURN'
JOIN pg_depend AS d ON d.classid = CAST('pg_rewrite' AS regclass) AND d.objid = w.oid
    AND d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid <> v.oid
JOIN pg_class AS t ON t.oid = d.refobjid
JOIN pg_namespace AS n ON n.oid = t.relnamespace AND n.nspname NOT IN ('eventflow_stats', 'pg_catalog')
WHERE v.relnamespace = CAST('eventflow_stats' AS regnamespace) AND v.relkind = 'v';

REVOKE ALL ON eventflow_stats.present_objects FROM PUBLIC, anon, authenticated, service_role;
