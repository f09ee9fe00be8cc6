-- Our functions that a caller could misuse with the rights of their owner, or that anybody may call: SECURITY DEFINER
-- without a search_path of its own; SECURITY DEFINER, or a function of the read API, that role anon may execute.
-- Result: name text, unpinned, open boolean.
SELECT name, unpinned, open
FROM (
    SELECT
        format('%s.%s', n.nspname, p.proname) AS name,
        p.prosecdef AND NOT EXISTS (
            SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\_path=%'
        ) AS unpinned,
        (p.prosecdef OR n.nspname = 'public') AND has_function_privilege('anon', p.oid, 'EXECUTE') AS open
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'eventflow_stats' OR n.nspname = 'public' AND p.proname LIKE 'marketing\_%'
) AS ours
WHERE unpinned OR open
ORDER BY name
