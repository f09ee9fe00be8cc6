-- Changes of facts that the row counters tell of and that no sweep has found yet: how many rows, since when, and by when
-- the sweeps will have looked at every day.

ALTER TABLE eventflow_stats.upkeep
    DROP COLUMN IF EXISTS row_changes,
    ADD COLUMN IF NOT EXISTS counters text,
    ADD COLUMN IF NOT EXISTS changed_rows numeric,
    ADD COLUMN IF NOT EXISTS inserted_facts numeric;
COMMENT ON COLUMN eventflow_stats.upkeep.counters IS
    'Which row counters were last looked at (view row_changes); numbers of other counters cannot be compared.';
COMMENT ON COLUMN eventflow_stats.upkeep.changed_rows IS 'View row_changes when last looked at.';
COMMENT ON COLUMN eventflow_stats.upkeep.inserted_facts IS
    'View row_changes when the facts of yesterday and today were last counted and were as many as the ledger knows.';

ALTER TABLE eventflow_stats.days ADD COLUMN IF NOT EXISTS swept_seconds double precision;
COMMENT ON COLUMN eventflow_stats.days.swept_seconds IS
    'How long the last sweep of the day took; before the first one, how long computing it took, which is longer.';

-- One row per look at the row counters that saw them move, as long as some day was not swept since.
CREATE TABLE IF NOT EXISTS eventflow_stats.unswept_changes (
    seen_at timestamptz PRIMARY KEY,
    since timestamptz NOT NULL,
    changed_rows numeric,
    found_by timestamptz NOT NULL
);
COMMENT ON COLUMN eventflow_stats.unswept_changes.since IS 'The look before: the rows changed after it.';
COMMENT ON COLUMN eventflow_stats.unswept_changes.changed_rows IS
    'NULL: an unknown number. The counters began anew, or a table or partition was emptied, added or dropped.';
COMMENT ON COLUMN eventflow_stats.unswept_changes.found_by IS
    'When every day will have been swept at the latest; later than that, something is wrong.';
REVOKE ALL ON eventflow_stats.unswept_changes FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, DELETE ON eventflow_stats.unswept_changes TO eventflow_stats_engine;
GRANT SELECT ON eventflow_stats.unswept_changes TO eventflow_stats_reader;

-- PostgreSQL's row counters of the product's tables and of their partitions, in one row.
--   counters        which ones: numbers are compared with those of the same counters alone. Another text after a crash
--                   or a reset, which start them from nought, and after a table or partition was emptied (TRUNCATE),
--                   added, dropped or written anew
--   changed_rows    rows updated or deleted, and dimensions inserted: what no ingest time tells of
--   inserted_facts  rows inserted into the two tables of facts
-- A tripwire, not a proof: counters arrive late, and count what was rolled back.
-- Beside the views of facts, one more that another product writes for itself.
DROP VIEW IF EXISTS eventflow_stats.row_changes;
CREATE VIEW eventflow_stats.row_changes AS
WITH RECURSIVE counted AS (
    SELECT
        c.oid, c.relfilenode, c.relname IN ('event_access_logs', 'event_survey_entries') AS is_facts
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
        AND c.relname IN (
            'event_access_logs', 'event_survey_entries', 'event_survey_campaigns', 'webinars', 'campaign_link_meta'
        )
    UNION
    SELECT c.oid, c.relfilenode, above.is_facts
    FROM counted AS above
    JOIN pg_inherits AS i ON i.inhparent = above.oid
    JOIN pg_class AS c ON c.oid = i.inhrelid
)
SELECT
    md5(concat_ws(
        ' ',
        string_agg(concat_ws(':', c.oid, c.relfilenode), ' ' ORDER BY c.oid),
        pg_stat_get_db_stat_reset_time((SELECT oid FROM pg_database WHERE datname = current_database())),
        pg_stat_get_bgwriter_stat_reset_time()
    )) AS counters,
    sum(
        pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)
        + CASE WHEN c.is_facts THEN 0 ELSE pg_stat_get_tuples_inserted(c.oid) END
    ) AS changed_rows,
    coalesce(sum(pg_stat_get_tuples_inserted(c.oid)) FILTER (WHERE c.is_facts), 0) AS inserted_facts
FROM counted AS c;
REVOKE ALL ON eventflow_stats.row_changes FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.row_changes TO eventflow_stats_engine;

-- One row per day that sweeps look at: when it was last looked at, whoever did, and how long a sweep of it takes. A day
-- never measured takes as long as the longest that was; NULL where none was.
CREATE OR REPLACE VIEW eventflow_stats.days_for_sweep AS
SELECT
    bucket_date,
    greatest(covered_at, swept_at, whole_proved_at) AS looked_at,
    coalesce(swept_seconds, max(swept_seconds) OVER ()) AS sweep_seconds
FROM eventflow_stats.days
WHERE covered_at IS NOT NULL;
REVOKE ALL ON eventflow_stats.days_for_sweep FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.days_for_sweep TO eventflow_stats_engine;
