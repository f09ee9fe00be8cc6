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
        extract(epoch FROM pg_stat_get_db_stat_reset_time(
            (SELECT oid FROM pg_database WHERE datname = current_database())
        )),
        extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())
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

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- The first act of every read function: may the caller read the client, which days are asked for, and which of them
-- the rollup cannot answer. source, coverage, freshness and adjusted are the answer's companions; adjusted is NULL
-- where no manual correction is included.
CREATE OR REPLACE FUNCTION eventflow_stats.open_reading(
    client uuid, asked_from date, asked_to date,
    OUT first_day date, OUT last_day date, OUT raw_days date[],
    OUT source text, OUT coverage json, OUT freshness json, OUT adjusted json
)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    aggregated date[];
    computed_through timestamptz;
    oldest_proof timestamptz;
    looked_at timestamptz;
    unswept json;
BEGIN
    IF client IS NULL THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'client_id is missing';
    END IF;
    IF NOT (
        client IN (SELECT eventflow_stats.readable_clients())
        OR eventflow_stats.reads_every_client()
            AND EXISTS (SELECT FROM eventflow_stats.client_names AS c WHERE c.client_id = client)
    ) THEN
        RAISE SQLSTATE 'PT404' USING MESSAGE = 'not found';
    END IF;

    last_day := coalesce(
        asked_to,
        (SELECT CAST(statement_timestamp() AT TIME ZONE d.bucket_timezone AS date) FROM eventflow_stats.deployment AS d)
    );
    IF last_day > date '9999-12-31' OR last_day < date '0001-02-01' OR asked_from < date '0001-01-01' THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'from and to must be days of the years 1 to 9999';
    END IF;
    first_day := coalesce(asked_from, last_day - 29);
    IF first_day > last_day THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'from must not be after to';
    END IF;
    IF last_day - first_day >= 400 THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'the range must not be longer than 400 days';
    END IF;

    -- Facts committed before the last detection are in a clean scope, whenever that was computed.
    SELECT
        coalesce(array_agg(day), '{}'), min(through), CASE WHEN bool_and(proof IS NOT NULL) THEN min(proof) END, min(looked)
    INTO aggregated, computed_through, oldest_proof, looked_at
    FROM (
        SELECT
            day,
            greatest(coalesce(s.computed_at, d.covered_at), u.detected_at) AS through,
            CASE
                WHEN s.computed_at IS NULL THEN CASE WHEN d.whole_proved_at >= d.covered_at THEN d.whole_proved_at END
                WHEN s.proved_at >= s.computed_at THEN s.proved_at
            END AS proof,
            greatest(d.covered_at, d.swept_at, d.whole_proved_at, s.computed_at, s.proved_at) AS looked
        FROM (
            SELECT c.bucket_date AS day, c.covered_at, c.swept_at, c.whole_proved_at
            FROM eventflow_stats.days AS c
            WHERE c.bucket_date BETWEEN first_day AND last_day AND c.covered_at IS NOT NULL
        ) AS d
        FULL JOIN (
            SELECT c.bucket_date AS day, c.computed_at, c.dirty_since, c.proved_at
            FROM eventflow_stats.scopes AS c
            WHERE c.client_id = client AND c.bucket_date BETWEEN first_day AND last_day
        ) AS s USING (day)
        CROSS JOIN eventflow_stats.upkeep AS u
        WHERE s.dirty_since IS NULL AND coalesce(s.computed_at, d.covered_at) IS NOT NULL
    ) AS answered
    WHERE NOT EXISTS (
        SELECT FROM eventflow_stats.discrepancies AS x
        WHERE x.client_id = client AND x.bucket_date = day AND x.repaired_at IS NULL
    );
    IF cardinality(aggregated) = last_day - first_day + 1 THEN
        raw_days := '{}';
    ELSE
        raw_days := ARRAY(
            SELECT first_day + n FROM generate_series(0, last_day - first_day) AS n
            WHERE first_day + n <> ALL (aggregated)
        );
    END IF;
    source := CASE WHEN cardinality(raw_days) = 0 THEN 'aggregated' ELSE 'raw' END;
    coverage := json_build_object('aggregated_days', cardinality(aggregated), 'raw_days', cardinality(raw_days));
    -- Of days measured from the facts nothing can be unknown.
    SELECT CASE WHEN count(*) > 0 THEN json_build_object(
        'changed_rows', CASE WHEN bool_and(c.changed_rows IS NOT NULL) THEN sum(c.changed_rows) END,
        'since', eventflow_stats.instant_text(min(c.since)),
        'found_by', eventflow_stats.instant_text(min(c.found_by))
    ) END
    INTO unswept
    FROM eventflow_stats.unswept_changes AS c
    WHERE c.seen_at >= looked_at;
    freshness := json_build_object(
        'computed_through', eventflow_stats.instant_text(computed_through),
        'oldest_proof', eventflow_stats.instant_text(oldest_proof),
        'unswept_changes', unswept
    );

    SELECT CASE WHEN count(*) > 0 THEN json_build_object(
        'adjustments', count(*), 'visits_delta', sum(a.visits_delta), 'conversions_delta', sum(a.conversions_delta)
    ) END
    INTO adjusted
    FROM eventflow_stats.adjustments AS a
    WHERE a.client_id = client AND a.bucket_date BETWEEN first_day AND last_day AND a.reverted_at IS NULL;
END
$$;

-- Another text whenever an answer for the range (of the link, if one is asked for) may be another, by another release
-- too; NULL where days are measured from the facts, whose changes no ledger knows. What it leaves out: how long the
-- answer has been known to be the newest (computed_through).
CREATE OR REPLACE FUNCTION eventflow_stats.read_version(client uuid, asked_link uuid, asked_from date, asked_to date)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    IF asked_link IS NOT NULL AND NOT EXISTS (
        SELECT FROM eventflow_stats.link_details AS d WHERE d.link_id = asked_link AND d.client_id = client
    ) THEN
        RAISE SQLSTATE 'PT404' USING MESSAGE = 'not found';
    END IF;
    IF cardinality(asked.raw_days) > 0 THEN
        RETURN NULL;
    END IF;
    RETURN md5(concat_ws(
        '|', (SELECT version_num FROM eventflow_stats.schema_version), asked_link, asked.freshness #>> '{unswept_changes,since}',
        asked.first_day - date '2000-01-01', asked.last_day - date '2000-01-01',
        (
            SELECT string_agg(CAST(a AS text), ',' ORDER BY a.adjustment_id)
            FROM eventflow_stats.adjustments AS a
            WHERE a.client_id = client AND a.bucket_date BETWEEN asked.first_day AND asked.last_day
                AND a.reverted_at IS NULL
        ),
        (
            SELECT string_agg(
                concat_ws(
                    ' ', c.bucket_date - date '2000-01-01', extract(epoch FROM c.covered_at),
                    extract(epoch FROM c.whole_proved_at)
                ),
                ',' ORDER BY c.bucket_date
            )
            FROM eventflow_stats.days AS c
            WHERE c.bucket_date BETWEEN asked.first_day AND asked.last_day
        ),
        (
            SELECT string_agg(
                concat_ws(
                    ' ', c.bucket_date - date '2000-01-01', extract(epoch FROM c.computed_at),
                    extract(epoch FROM c.proved_at)
                ),
                ',' ORDER BY c.bucket_date
            )
            FROM eventflow_stats.scopes AS c
            WHERE c.client_id = client AND c.bucket_date BETWEEN asked.first_day AND asked.last_day
        ),
        (
            SELECT concat_ws(
                ' ', count(*),
                bit_xor(uuid_hash_extended(link.link_id, CAST(CAST(link.link_version AS text) AS bigint)))
            )
            FROM eventflow_stats.link_details AS link
            WHERE link.client_id = client
        ),
        -- A column that the product adds changes no row's version; one row shows it.
        (
            SELECT md5(CAST(link.all_columns AS text))
            FROM eventflow_stats.link_details AS link
            WHERE link.client_id = client
            ORDER BY link.link_id
            LIMIT 1
        )
    ));
END
$$;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
