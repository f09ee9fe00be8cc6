-- The tables whose row-level security hides rows from the owner of one of our views that reads them, and views that
-- would ask as whoever reads them. Result: a line of text for each.
-- The rules are PostgreSQL's own (check_enable_rls): a superuser and BYPASSRLS see everything; an owner does unless
-- the policies are forced.
WITH views AS (
    SELECT c.oid, c.relname, c.relowner, o.rolname, o.rolsuper OR o.rolbypassrls AS sees_everything, c.reloptions
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner
    WHERE c.relnamespace = 'eventflow_stats'::pg_catalog.regnamespace AND c.relkind = 'v'
)
SELECT DISTINCT pg_catalog.format(
    'row-level security of %I.%I hides facts from %I, the owner of view eventflow_stats.%I',
    n.nspname, t.relname, v.rolname, v.relname
)
FROM views AS v
JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
JOIN pg_catalog.pg_depend AS d
    ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE t.relrowsecurity AND NOT v.sees_everything
    AND (t.relforcerowsecurity OR NOT pg_catalog.pg_has_role(v.relowner, t.relowner, 'USAGE'))
UNION ALL
SELECT pg_catalog.format('view eventflow_stats.%I reads as its caller (security_invoker)', relname)
FROM views
WHERE EXISTS (
    SELECT FROM pg_catalog.unnest(reloptions) AS option
    WHERE option LIKE 'security\_invoker=%' AND pg_catalog.split_part(option, '=', 2) NOT IN ('false', 'off', '0', 'no')
)
ORDER BY 1
