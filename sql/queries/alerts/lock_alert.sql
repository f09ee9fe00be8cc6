-- Makes this transaction the only sender of an alert. It does not wait, and it limits how long the statements that
-- follow may take: the caller has other work to do. Parameters: alert_key text.
-- Result: one row; is_locked is false while another process is sending the same alert.
SELECT
    pg_try_advisory_xact_lock(hashtextextended('eventflow_stats.alert ' || CAST(:alert_key AS text), 0)) AS is_locked,
    set_config('lock_timeout', '5s', true),
    set_config('statement_timeout', '10s', true)
