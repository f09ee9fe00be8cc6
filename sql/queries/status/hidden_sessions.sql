-- The number of sessions of other users in this database whose transactions the user may not see; and the time now.
-- Result: one row. in_flight: how many transaction ids were assigned since the oldest transaction, of any user, that is
-- still writing; everybody may see that.
SELECT
    now() AS at,
    (
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usesysid IS NOT NULL AND query = '<insufficient privilege>'
    ) AS hidden_sessions,
    CAST(CAST(pg_snapshot_xmax(snapshot) AS text) AS bigint)
        - CAST(CAST(pg_snapshot_xmin(snapshot) AS text) AS bigint) AS in_flight
FROM pg_current_snapshot() AS snapshot
