-- Our views that read a table of schema public. Result: name with its schema, quoted.
SELECT DISTINCT pg_catalog.format('eventflow_stats.%I', v.relname)
FROM pg_catalog.pg_class AS v
JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
WHERE v.relnamespace = 'eventflow_stats'::pg_catalog.regnamespace AND v.relkind = 'v'
    AND t.relnamespace = 'public'::pg_catalog.regnamespace
ORDER BY 1
