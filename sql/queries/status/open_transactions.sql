-- The transactions that may still commit facts of long ago, oldest first: open ones of this database, as far as the
-- user may see them, and prepared ones (since when they are prepared; PostgreSQL does not keep when they began).
-- Result: held_back_ids: how many transaction ids were assigned since the oldest one that it keeps from being final.
SELECT 'open' AS kind, CAST(pid AS text) AS name, CAST(usename AS text) AS owner, application_name AS application,
    state, xact_start AS since, coalesce(greatest(age(backend_xid), age(backend_xmin)), 0) AS held_back_ids
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
UNION ALL
SELECT 'prepared', gid, CAST(owner AS text), '', 'prepared', prepared, age(transaction)
FROM pg_prepared_xacts
WHERE database = current_database()
ORDER BY since, name
