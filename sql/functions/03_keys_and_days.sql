-- What every number is computed with: the start of a day, the id of a group, a UTM value as a dimension, the hash of a
-- fact in a fingerprint, a transaction id in 64 bits.

-- The first instant of a bucket day: the earliest instant whose local date is the day or later.
-- Midnight AT TIME ZONE would be wrong: PostgreSQL reads an ambiguous midnight as the later one, and a day that a zone
-- skipped has no midnight. (Such a day has an empty window: it starts when the next day starts.)
CREATE OR REPLACE FUNCTION eventflow_stats.day_start(day date) RETURNS timestamptz
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT min(instant)
    FROM eventflow_stats.deployment,
        generate_series(
            (day::timestamp AT TIME ZONE bucket_timezone) - interval '26 hours',
            (day::timestamp AT TIME ZONE bucket_timezone) + interval '26 hours',
            interval '15 minutes'
        ) AS instant
    WHERE (instant AT TIME ZONE bucket_timezone)::date >= day
    $$;

-- The id of a group, derived from its key, so that a rebuilt row is the same row. The text of a row value quotes its
-- fields and distinguishes NULL from '', so two keys never have the same text. The date is a number in it, because the
-- text of a date depends on DateStyle.
CREATE OR REPLACE FUNCTION eventflow_stats.group_id(
    client_id uuid, bucket_date date, campaign_id uuid, marketing_campaign_link_id uuid,
    utm_source text, utm_medium text, utm_campaign text
) RETURNS uuid
    LANGUAGE sql STABLE
    AS $$
    SELECT md5(ROW(
        client_id, bucket_date - date '1970-01-01', campaign_id, marketing_campaign_link_id,
        utm_source, utm_medium, utm_campaign
    )::text)::uuid
    $$;

-- A UTM value as a dimension: the value as stored, and NULL for the empty text. A value above 800 bytes becomes its
-- first 200 characters and a digest of the whole, so different values stay different. (The product cuts its own values
-- at 200 characters.) An index row holds 2,704 bytes: one long value, which any visitor can send, would otherwise make
-- the rebuild of its day fail for every client. Without SET, so that the planner inlines it.
CREATE OR REPLACE FUNCTION eventflow_stats.utm_value(stored text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN octet_length(stored) > 800 THEN left(stored, 200) || '~' || md5(stored)
        ELSE nullif(stored, '')
    END
    $$;

-- The hash of a fact in the fingerprint of its client-day. It changes when the fact's row or link changes.
-- Without SET, so that the planner inlines it; the same below.
CREATE OR REPLACE FUNCTION eventflow_stats.fact_hash(fact_id uuid, fact_version xid, link_id uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT uuid_hash_extended(
        fact_id, CAST(CAST(fact_version AS text) AS bigint) # coalesce(uuid_hash_extended(link_id, 1), 0)
    )
    $$;

-- The 64-bit transaction id, as snapshots use it, of a 32-bit one (xmin of a row version): the newest such id before
-- next_id, the next one to be assigned. Ids below 3 are PostgreSQL's own, and visible to everyone.
CREATE OR REPLACE FUNCTION eventflow_stats.full_transaction_id(version bigint, next_id bigint) RETURNS xid8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CAST(CAST(
        CASE
            WHEN version < 3 THEN 3
            WHEN version > (next_id & 4294967295) THEN (next_id >> 32 << 32) + version - 4294967296
            ELSE (next_id >> 32 << 32) + version
        END AS text) AS xid8)
    $$;

GRANT EXECUTE ON FUNCTION
    eventflow_stats.day_start, eventflow_stats.group_id, eventflow_stats.utm_value,
    eventflow_stats.fact_hash, eventflow_stats.full_transaction_id
    TO eventflow_stats_engine;
-- By name: a hardened database may have revoked from PUBLIC the usual right to execute functions.
GRANT EXECUTE ON FUNCTION eventflow_stats.day_start, eventflow_stats.utm_value TO eventflow_stats_reader;
