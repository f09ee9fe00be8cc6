-- Makes this transaction the only sender of an alert, without waiting, and bounds the waiting of what follows: the
-- caller has other work to do. Parameters: alert_key text.
-- Result: one row; mine is false while another process is sending this very alert.
SELECT
    pg_try_advisory_xact_lock(hashtextextended('eventflow_stats.alert ' || CAST(:alert_key AS text), 0)) AS mine,
    set_config('lock_timeout', '5s', true),
    set_config('statement_timeout', '10s', true)
