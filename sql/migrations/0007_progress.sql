-- What keeps the rollup right by itself: how far new facts were looked for, when days were swept and verified
-- whole, and the means to tell whether a fact is one that a client-day was computed from.

-- One row: how far upkeep got, and what its last tick said.
CREATE TABLE IF NOT EXISTS eventflow_stats.progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    detected_at timestamptz,
    new_facts bigint,
    row_changes numeric,
    row_changes_at timestamptz,
    ticked_at timestamptz,
    tick_outcome text
);
INSERT INTO eventflow_stats.progress DEFAULT VALUES ON CONFLICT DO NOTHING;
COMMENT ON COLUMN eventflow_stats.progress.detected_at IS
    'Every fact committed before, less the detection overlap, is in the rollup or its client-day is stale.';
COMMENT ON COLUMN eventflow_stats.progress.row_changes IS 'View row_changes when last looked at.';
COMMENT ON COLUMN eventflow_stats.progress.row_changes_at IS 'When row_changes was last seen to differ: days not swept since are due.';
COMMENT ON COLUMN eventflow_stats.progress.ticked_at IS 'The last tick of the 5-minute schedule: the time it was due at.';
REVOKE ALL ON eventflow_stats.progress FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, UPDATE ON eventflow_stats.progress TO eventflow_stats_engine;

ALTER TABLE eventflow_stats.days
    ADD COLUMN IF NOT EXISTS swept_at timestamptz,
    ADD COLUMN IF NOT EXISTS whole_verified_at timestamptz;
COMMENT ON COLUMN eventflow_stats.days.swept_at IS
    'When the fingerprints of all its facts were last compared with those its client-days were computed from.';
COMMENT ON COLUMN eventflow_stats.days.whole_verified_at IS
    'When the day was last compared with its facts in one piece; verified_at may also be the verification of its last open client-day.';

-- Changes whenever a row of the product's tables is updated or deleted, when a dimension is added, when a table is
-- truncated: what no ingest time tells. A tripwire, not a verification: counters arrive late and are lost in a crash.
-- Beside the two views of facts, the third that another product writes for itself.
CREATE OR REPLACE VIEW eventflow_stats.row_changes AS
SELECT sum(
    s.n_tup_upd + s.n_tup_del + CAST(CAST(c.relfilenode AS text) AS numeric)
    + CASE WHEN c.relname IN ('event_access_logs', 'event_survey_entries') THEN 0 ELSE s.n_tup_ins END
) + (
    -- A crash starts all counters again from nought: they must not come to stand where they stood.
    SELECT coalesce(extract(epoch FROM stats_reset), 0) FROM pg_stat_bgwriter
) AS row_changes
FROM pg_class AS c
JOIN pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.relnamespace = 'public'::regnamespace
    AND c.relname IN (
        'event_access_logs', 'event_survey_entries', 'event_survey_campaigns', 'webinars', 'campaign_link_meta'
    );
REVOKE ALL ON eventflow_stats.row_changes FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.row_changes TO eventflow_stats_engine;

-- A fact's part in the fingerprint of its client-day: another value when its row or its link is another.
-- Without SET, so that the planner inlines it, here and below.
CREATE OR REPLACE FUNCTION eventflow_stats.fact_hash(fact_id uuid, fact_version xid, link_id uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT uuid_hash_extended(
        fact_id, CAST(CAST(fact_version AS text) AS bigint) # coalesce(uuid_hash_extended(link_id, 1), 0)
    )
    $$;

-- A row version's transaction id (xmin, 32 bits), widened to the 64 bits that a snapshot speaks in: the
-- newest such id before the next one to be given out. Ids below 3 are PostgreSQL's own, visible to everyone.
CREATE OR REPLACE FUNCTION eventflow_stats.widened(version bigint, next_id bigint) RETURNS xid8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CAST(CAST(
        CASE
            WHEN version < 3 THEN 3
            WHEN version > (next_id & 4294967295) THEN (next_id >> 32 << 32) + version - 4294967296
            ELSE (next_id >> 32 << 32) + version
        END AS text) AS xid8)
    $$;
GRANT EXECUTE ON FUNCTION eventflow_stats.fact_hash, eventflow_stats.widened TO eventflow_stats_engine;
