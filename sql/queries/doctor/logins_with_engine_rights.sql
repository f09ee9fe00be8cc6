-- The logins, without superusers, that may become the engine's role or the owner of the rollup, and so may write it.
-- Result: role text.
SELECT CAST(r.rolname AS text)
FROM pg_roles AS r
WHERE r.rolcanlogin AND NOT r.rolsuper AND (
    pg_has_role(r.oid, 'eventflow_stats_engine', 'MEMBER')
    OR pg_has_role(r.oid, (SELECT relowner FROM pg_class WHERE oid = CAST('public.marketing_stats_daily' AS regclass)), 'MEMBER')
)
ORDER BY 1
