-- How many sessions of other users in this database the user may not look into; and the time now.
-- Result: one row. in_flight is how many transaction ids were given out since the oldest that is still being
-- written under, whoever's: that much everybody may see.
SELECT
    now() AS at,
    (
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usesysid IS NOT NULL AND query = '<insufficient privilege>'
    ) AS hidden_sessions,
    CAST(CAST(pg_snapshot_xmax(snapshot) AS text) AS bigint)
        - CAST(CAST(pg_snapshot_xmin(snapshot) AS text) AS bigint) AS in_flight
FROM pg_current_snapshot() AS snapshot
