-- Settings of the server that the engine's work depends on, as a session of this login has them.
-- Result: one row; times in milliseconds, 0 where unlimited (transaction_timeout is PostgreSQL 17's).
SELECT
    CAST(current_setting('track_counts') AS boolean) AS track_counts,
    CAST(current_setting('autovacuum') AS boolean) AS autovacuum,
    CAST(current_setting('transaction_read_only') AS boolean) AND pg_is_in_recovery() AS standby,
    CAST(coalesce(max(setting) FILTER (WHERE name = 'idle_in_transaction_session_timeout'), '0') AS bigint)
        AS idle_in_transaction_timeout,
    CAST(coalesce(max(setting) FILTER (WHERE name = 'transaction_timeout'), '0') AS bigint) AS transaction_timeout
FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
