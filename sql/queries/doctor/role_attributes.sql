-- The attributes and rights of one of our roles that it must not have. Parameters: role text.
-- Result: one row; memberships are the roles that it belongs to.
SELECT
    array_remove(ARRAY[
        CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
        CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN rolcreatedb THEN 'CREATEDB' END
    ], NULL) AS attributes,
    ARRAY(SELECT CAST(CAST(roleid AS regrole) AS text) FROM pg_auth_members WHERE member = r.oid ORDER BY 1) AS memberships,
    has_schema_privilege(r.oid, 'public', 'CREATE') AS creates_in_public,
    has_schema_privilege(r.oid, 'eventflow_stats', 'CREATE') AS creates_in_ours,
    has_schema_privilege(r.oid, 'public', 'USAGE') AS enters_public,
    has_database_privilege(r.oid, current_database(), 'TEMPORARY') AS makes_temporary_tables
FROM pg_roles AS r
WHERE rolname = :role
