-- The server's settings that the engine depends on and that no session can set. Result: one row.
SELECT
    CAST(current_setting('track_counts') AS boolean) AS track_counts,
    CAST(current_setting('autovacuum') AS boolean) AS autovacuum
