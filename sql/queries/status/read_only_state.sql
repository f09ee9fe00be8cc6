-- Whether new sessions of this login may write in this database, and which setting forbids it. The value is the one
-- that a session starts with, not one set in this session.
-- Result: one row; standby, read_only, by_database, by_role, by_role_here (in this database only) boolean;
-- database_name, login text, quoted as identifiers.
SELECT
    pg_is_in_recovery() AS standby,
    s.reset_val = 'on' AS read_only,
    coalesce(bool_or(r.setrole = 0 AND r.setdatabase <> 0), false) AS by_database,
    coalesce(bool_or(r.setrole <> 0 AND r.setdatabase = 0), false) AS by_role,
    coalesce(bool_or(r.setrole <> 0 AND r.setdatabase <> 0), false) AS by_role_here,
    quote_ident(current_database()) AS database_name,
    quote_ident(session_user) AS login
FROM pg_settings AS s
LEFT JOIN pg_db_role_setting AS r
    ON r.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND r.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
    AND EXISTS (SELECT FROM unnest(r.setconfig) AS c (line) WHERE c.line LIKE 'default_transaction_read_only=%')
WHERE s.name = 'default_transaction_read_only'
GROUP BY s.reset_val
