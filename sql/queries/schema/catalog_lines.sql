-- Everything of ours in the catalog, one line each, so that two databases can be compared: schema eventflow_stats, the
-- rollup, the BRIN indexes on fact tables, the functions marketing_* of schema public.
-- Left out is what may differ without harm: names of constraints, NOT NULL of an adopted rollup, owners, and the text
-- of views, which differs by version of PostgreSQL and which another product defines itself.
-- Result: kind, line, both text; sorted.
WITH ours AS (
    SELECT c.*, CAST(n.nspname AS text) || '.' || c.relname AS name
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'eventflow_stats' AND c.relkind IN ('r', 'p', 'v', 'm')
        OR n.nspname = 'public' AND c.relname = 'marketing_stats_daily'
), our_functions AS (
    SELECT p.*, format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'eventflow_stats' OR n.nspname = 'public' AND p.proname LIKE 'marketing\_%'
), rights AS (
    SELECT name, a.grantee, a.privilege_type
    FROM ours CROSS JOIN LATERAL aclexplode(relacl) AS a
    UNION ALL
    SELECT ours.name || '.' || attname, a.grantee, a.privilege_type
    FROM ours
    JOIN pg_attribute ON attrelid = ours.oid
    CROSS JOIN LATERAL aclexplode(attacl) AS a
    UNION ALL
    SELECT name, a.grantee, a.privilege_type
    FROM our_functions CROSS JOIN LATERAL aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a
    UNION ALL
    SELECT 'schema ' || nspname, a.grantee, a.privilege_type
    FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl) AS a
    WHERE nspname = 'eventflow_stats'
), lines AS (
    SELECT
        'tables' AS kind,
        format(
            '%s %s.%s', CASE WHEN c.relkind IN ('v', 'm') THEN 'view column' ELSE 'column' END, c.name, a.attname
        ) || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull AND c.relkind <> 'v' AND c.relname <> 'marketing_stats_daily' THEN ' not null' ELSE '' END
        || CASE WHEN a.attgenerated <> '' THEN ' generated' WHEN a.attidentity <> '' THEN ' identity' ELSE '' END AS line
    FROM ours AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'constraints', format('constraint of %s: %s', c.name, pg_get_constraintdef(k.oid))
    FROM ours AS c
    JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype <> 'n'
    UNION ALL
    -- An index on facts is listed by its definition: a table that replaced another has its indexes under other names,
    -- and a partitioned table also has those of its partitions.
    SELECT 'indexes', CASE
        WHEN i.indrelid IN (SELECT oid FROM ours)
            THEN format('index %s: %s', CAST(n.nspname AS text) || '.' || x.relname, pg_get_indexdef(i.indexrelid))
        ELSE regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE INDEX \S+ ON (ONLY )?', 'index of ')
    END
    FROM pg_index AS i
    JOIN pg_class AS x ON x.oid = i.indexrelid
    JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
        AND (
            i.indrelid IN (SELECT oid FROM ours)
            OR n.nspname = 'public' AND t.relname IN ('event_access_logs', 'event_survey_entries')
            AND x.relam = (SELECT oid FROM pg_am WHERE amname = 'brin')
        )
    UNION ALL
    SELECT 'functions', format(
        'function %s: returns %s, %s, %s, %s, body %s', name, pg_get_function_result(oid),
        CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
        CASE WHEN prosecdef THEN 'security definer' ELSE 'security invoker' END,
        coalesce(array_to_string(proconfig, ' '), 'no settings'), md5(prosrc)
    )
    FROM our_functions
    UNION ALL
    SELECT 'triggers', format('trigger of %s: %s', c.name, pg_get_triggerdef(t.oid))
        -- A trigger can also be enabled for replicas only or always; for our sessions it is then off or on.
        || CASE WHEN t.tgenabled IN ('D', 'R') THEN ' (disabled)' ELSE '' END
    FROM ours AS c
    JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 'triggers', format('rule of %s: %s', c.name, pg_get_ruledef(r.oid))
    FROM ours AS c
    JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'policies', format(
        'policy %s on %s: %s for %s to %s using (%s) with check (%s)', policyname, c.name, lower(permissive), lower(cmd),
        array_to_string(roles, ', '), coalesce(qual, ''), coalesce(with_check, '')
    )
    FROM ours AS c
    JOIN pg_policies AS p ON p.schemaname || '.' || p.tablename = c.name
    UNION ALL
    SELECT 'policies', format('row-level security on %s', name)
    FROM ours
    WHERE relrowsecurity
    UNION ALL
    SELECT 'grants', format('grant %s on %s to %s', privilege_type, name, coalesce(rolname, 'PUBLIC'))
    FROM rights
    LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE grantee = 0
        OR rolname IN ('anon', 'authenticated', 'service_role', 'eventflow_stats_engine', 'eventflow_stats_reader')
)
SELECT kind, line FROM lines ORDER BY kind, line COLLATE "C"
