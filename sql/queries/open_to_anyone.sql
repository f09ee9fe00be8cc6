-- The product's tables that anybody may read or write: role anon has the right, and either no row-level security is
-- on (or it does not hold for anon), or a permissive policy of the command lets anon through unconditionally and no
-- restrictive one is there. A policy with a condition is not judged.
-- Parameters: tables text[], of schema public. Result: table_name, verbs text[], secured (row-level security is on).
WITH anybody AS (
    SELECT oid, rolsuper OR rolbypassrls AS above_policies FROM pg_roles WHERE rolname = 'anon'
), policies AS (
    SELECT
        polrelid, polpermissive,
        CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' END AS verb,
        coalesce(pg_get_expr(polqual, polrelid), 'true') = 'true' AS lets_all_rows,
        coalesce(pg_get_expr(polwithcheck, polrelid), pg_get_expr(polqual, polrelid), 'true') = 'true' AS takes_all_rows
    FROM pg_policy
    CROSS JOIN anybody
    -- PUBLIC is role 0; has_role would refuse to be asked of it.
    WHERE EXISTS (
        SELECT FROM unnest(polroles) AS of_role
        WHERE CASE WHEN of_role = 0 THEN true ELSE pg_has_role(anybody.oid, of_role, 'USAGE') END
    )
)
SELECT CAST(c.relname AS text) AS table_name, array_agg(v.verb ORDER BY v.place) AS verbs, c.relrowsecurity AS secured
FROM pg_class AS c
CROSS JOIN anybody
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS v (verb, place)
WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND c.relname = ANY (CAST(:tables AS text[]))
    AND has_schema_privilege(anybody.oid, 'public', 'USAGE')
    AND CASE
        WHEN v.verb = 'DELETE' THEN has_table_privilege(anybody.oid, c.oid, v.verb)
        ELSE has_any_column_privilege(anybody.oid, c.oid, v.verb)
    END
    AND (
        NOT c.relrowsecurity OR above_policies
        OR pg_has_role(anybody.oid, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity
        OR EXISTS (
            SELECT FROM policies AS p
            WHERE p.polrelid = c.oid AND p.polpermissive AND coalesce(p.verb, v.verb) = v.verb
                AND CASE WHEN v.verb = 'INSERT' THEN p.takes_all_rows ELSE p.lets_all_rows END
        ) AND NOT EXISTS (
            SELECT FROM policies AS p
            WHERE p.polrelid = c.oid AND NOT p.polpermissive AND coalesce(p.verb, v.verb) = v.verb
        )
    )
GROUP BY c.relname, c.relrowsecurity
ORDER BY 1
