-- The engine's schema and role, and the one row that says how this database is deployed.
-- Reads the setting eventflow_stats.bucket_timezone of the migrating session.
CREATE SCHEMA IF NOT EXISTS eventflow_stats;
REVOKE ALL ON SCHEMA eventflow_stats FROM PUBLIC;

-- Alembic's own table, of its shape: the newest migration this database has.
CREATE TABLE IF NOT EXISTS eventflow_stats.schema_version (
    version_num varchar(32) NOT NULL CONSTRAINT schema_version_pkc PRIMARY KEY
);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eventflow_stats_engine') THEN
        CREATE ROLE eventflow_stats_engine NOLOGIN NOINHERIT;
    END IF;
    -- The migrating user works as the engine through SET ROLE; a superuser needs no membership for it.
    -- From PostgreSQL 16 on, a role's creator is a member that may administer the role but not set it.
    IF NOT pg_has_role(
        current_user, 'eventflow_stats_engine',
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
    ) THEN
        EXECUTE format('GRANT eventflow_stats_engine TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA eventflow_stats TO eventflow_stats_engine;

-- One row for ever: the day of a fact must not depend on who asks.
CREATE TABLE IF NOT EXISTS eventflow_stats.deployment (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    bucket_timezone text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO eventflow_stats.deployment (bucket_timezone)
VALUES (current_setting('eventflow_stats.bucket_timezone'))
ON CONFLICT DO NOTHING;
GRANT SELECT ON eventflow_stats.deployment TO eventflow_stats_engine;

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
GRANT EXECUTE ON FUNCTION eventflow_stats.day_start TO eventflow_stats_engine;

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
GRANT EXECUTE ON FUNCTION eventflow_stats.group_id TO eventflow_stats_engine;
