-- Detection of new facts: up to where they were looked for, and the means to tell a fact's row version
-- from what a scope's snapshot saw.

-- One row, moved on only by a detection that marked all it found.
CREATE TABLE IF NOT EXISTS eventflow_stats.detection (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    detected_at timestamptz NOT NULL,
    candidates bigint NOT NULL
);
REVOKE ALL ON eventflow_stats.detection FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE ON eventflow_stats.detection TO eventflow_stats_engine;

-- The bucket day of an instant.
CREATE OR REPLACE FUNCTION eventflow_stats.bucket_day(instant timestamptz) RETURNS date
    LANGUAGE sql STABLE
    AS $$
    SELECT CAST(instant AT TIME ZONE (SELECT bucket_timezone FROM eventflow_stats.deployment) AS date)
    $$;

-- A row version's transaction id (xmin, 32 bits), widened to the 64 bits that a snapshot speaks in: the
-- newest such id before the next one to be given out. Ids below 3 are PostgreSQL's own, visible to everyone.
CREATE OR REPLACE FUNCTION eventflow_stats.widened(version xid, next_id xid8) RETURNS xid8
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CAST(CAST(
        CASE
            WHEN low < 3 THEN 3
            WHEN low > (next & 4294967295) THEN (next >> 32 << 32) + low - 4294967296
            ELSE (next >> 32 << 32) + low
        END AS text) AS xid8)
    FROM (
        SELECT CAST(CAST(version AS text) AS bigint) AS low, CAST(CAST(next_id AS text) AS bigint) AS next
    ) AS ids
    $$;
GRANT EXECUTE ON FUNCTION eventflow_stats.bucket_day, eventflow_stats.widened TO eventflow_stats_engine;
