-- What hides facts from our views: tables whose row-level security hides rows from the owner of a view that reads them,
-- tables that this owner may not read, and views that read with their caller's rights. Result: a line of text for each.
-- The rules are PostgreSQL's own (check_enable_rls): a superuser and a role with BYPASSRLS see everything; an owner
-- does unless the policies are forced.
WITH views AS (
    SELECT
        c.oid, c.relname, c.relowner, c.reloptions,
        (SELECT o.rolsuper OR o.rolbypassrls FROM pg_catalog.pg_roles AS o WHERE o.oid = c.relowner) AS sees_everything
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'eventflow_stats'::pg_catalog.regnamespace AND c.relkind = 'v'
), reads AS (
    -- PostgreSQL checks the owner's right on each column; a superuser may read everything.
    SELECT
        v.relname AS view_name, v.relowner, t.oid, t.relname, t.relnamespace, t.relrowsecurity AND NOT v.sees_everything
            AND (t.relforcerowsecurity OR NOT pg_catalog.pg_has_role(v.relowner, t.relowner, 'USAGE')) AS is_hidden,
        CASE
            WHEN d.refobjsubid > 0
                THEN NOT pg_catalog.has_column_privilege(v.relowner, t.oid, CAST(d.refobjsubid AS smallint), 'SELECT')
            ELSE NOT pg_catalog.has_any_column_privilege(v.relowner, t.oid, 'SELECT')
        END AS is_forbidden
    FROM views AS v
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p')
)
SELECT DISTINCT pg_catalog.format(
    CASE
        WHEN is_hidden THEN 'row-level security of %s.%I hides facts from %s, the owner of view eventflow_stats.%I'
        ELSE '%s.%I may not be read by %s, the owner of view eventflow_stats.%I'
    END,
    relnamespace::pg_catalog.regnamespace, relname, relowner::pg_catalog.regrole, view_name
)
FROM reads
WHERE is_hidden OR is_forbidden
UNION ALL
SELECT pg_catalog.format('view eventflow_stats.%I reads as its caller (security_invoker)', relname)
FROM views
WHERE EXISTS (
    SELECT FROM pg_catalog.unnest(reloptions) AS option
    WHERE option LIKE 'security\_invoker=%' AND pg_catalog.split_part(option, '=', 2) NOT IN ('false', 'off', '0', 'no')
)
ORDER BY 1
