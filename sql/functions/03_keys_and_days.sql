-- What every number is computed with: the window of a day, the id of a group, a UTM value as a dimension, a fact's part
-- in a fingerprint, a row version in 64 bits.

-- The first instant of a bucket day: the earliest instant whose local date is the day or later.
-- Not simply midnight AT TIME ZONE: PostgreSQL reads an ambiguous midnight as the later one, and a
-- day that a zone skipped has no midnight (its window is empty: its start equals the next day's).
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

-- The id of a group, derived from its key, so that a rebuilt row is the same row. The text of a row
-- value quotes its fields and tells NULL from '': two keys never share a text. The date goes in as
-- a number because its text depends on DateStyle.
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

-- A UTM value as a dimension: as stored, the empty text is NULL. Above 800 bytes (the product cuts its
-- own at 200 characters) it stands as its beginning and a digest of the whole, still a value of its own:
-- an index row holds 2,704 bytes, and one long value, which any visitor can send, would otherwise fail
-- the rebuild of its day for everybody. Without SET, so that the planner inlines it.
CREATE OR REPLACE FUNCTION eventflow_stats.utm_value(stored text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN octet_length(stored) > 800 THEN left(stored, 200) || '~' || md5(stored)
        ELSE nullif(stored, '')
    END
    $$;

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

CREATE OR REPLACE FUNCTION eventflow_stats.touch_marketing_stats_daily() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
    AS $$
BEGIN
    NEW.updated_at := now();
    NEW.last_aggregated_at := now();
    RETURN NEW;
END
$$;

GRANT EXECUTE ON FUNCTION
    eventflow_stats.day_start, eventflow_stats.group_id, eventflow_stats.utm_value,
    eventflow_stats.fact_hash, eventflow_stats.widened
    TO eventflow_stats_engine;
-- By name: a hardened database has taken from PUBLIC what it may usually execute.
GRANT EXECUTE ON FUNCTION eventflow_stats.day_start, eventflow_stats.utm_value TO eventflow_stats_reader;
