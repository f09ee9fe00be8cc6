-- The tables other than ours, and those of extensions, that anybody may read or write. Role anon has the right, and
-- either row-level security is off (or does not apply to anon), or a permissive policy lets anon through without a
-- condition and no restrictive policy exists. A condition that uses neither the row nor the caller, such as 1 = 1,
-- counts as none. Policies with other conditions are listed apart, because this query cannot evaluate them.
-- Parameters: tables text[], of schema public, that may also be views. Result: table_name, open and conditioned text[]
-- (commands), secured (row-level security is on).
WITH anybody AS (
    SELECT oid, rolsuper OR rolbypassrls AS above_policies FROM pg_roles WHERE rolname = 'anon'
), written AS (
    SELECT
        polrelid, polpermissive,
        CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' END AS verb,
        coalesce(pg_get_expr(polqual, polrelid), 'true') AS of_rows,
        coalesce(pg_get_expr(polwithcheck, polrelid), pg_get_expr(polqual, polrelid), 'true') AS of_new_rows
    FROM pg_policy
    CROSS JOIN anybody
    -- PUBLIC is role 0, which pg_has_role refuses.
    WHERE EXISTS (
        SELECT FROM unnest(polroles) AS of_role
        WHERE CASE WHEN of_role = 0 THEN true ELSE pg_has_role(anybody.oid, of_role, 'USAGE') END
    )
), reached AS (
    SELECT
        c.oid, c.relname, c.relrowsecurity, v.verb, v.place,
        NOT c.relrowsecurity OR above_policies
        OR pg_has_role(anybody.oid, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity AS unsecured
    FROM pg_class AS c
    CROSS JOIN anybody
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS v (verb, place)
    WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relname <> 'marketing_stats_daily'
        AND (c.relkind IN ('r', 'p', 'f') OR c.relkind IN ('v', 'm') AND c.relname = ANY (CAST(:tables AS text[])))
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = CAST('pg_class' AS regclass) AND d.objid = c.oid AND d.deptype = 'e'
        )
        AND has_schema_privilege(anybody.oid, 'public', 'USAGE')
        AND CASE
            WHEN v.verb = 'DELETE' THEN has_table_privilege(anybody.oid, c.oid, v.verb)
            ELSE has_any_column_privilege(anybody.oid, c.oid, v.verb)
        END
), checked AS (
    SELECT
        r.*,
        r.unsecured OR p.lets_through AND NOT p.is_restricted AS is_open,
        NOT r.unsecured AND (p.asks OR p.lets_through AND p.is_restricted) AS is_conditioned
    FROM reached AS r
    CROSS JOIN LATERAL (
        SELECT
            coalesce(bool_or(w.polpermissive AND w.is_constant AND NOT w.lets_none), false) AS lets_through,
            coalesce(bool_or(w.polpermissive AND NOT w.is_constant), false) AS asks,
            coalesce(bool_or(NOT w.polpermissive), false) AS is_restricted
        FROM (
            SELECT
                written.polpermissive,
                c.condition = 'false' AS lets_none,
                -- A constant condition has no names once the words of constants are removed.
                regexp_replace(lower(c.condition), '\m(true|false|null|and|or|not|is)\M', '', 'g') !~ '[[:alpha:]"]'
                    AS is_constant
            FROM written
            CROSS JOIN LATERAL (
                SELECT CASE WHEN r.verb = 'INSERT' THEN written.of_new_rows ELSE written.of_rows END AS condition
            ) AS c
            WHERE written.polrelid = r.oid AND coalesce(written.verb, r.verb) = r.verb
        ) AS w
    ) AS p
)
SELECT
    CAST(relname AS text) AS table_name,
    coalesce(array_agg(verb ORDER BY place) FILTER (WHERE is_open), '{}') AS open,
    coalesce(array_agg(verb ORDER BY place) FILTER (WHERE is_conditioned), '{}') AS conditioned,
    relrowsecurity AS secured
FROM checked
WHERE is_open OR is_conditioned
GROUP BY relname, relrowsecurity
ORDER BY 1
