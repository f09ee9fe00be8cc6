-- Creates the schema and our two roles, and grants their rights outside of it. Also runs before the first migration.
-- A dump of one database contains neither roles nor rights on the database.
DO $$
DECLARE
    role_name text;
BEGIN
    -- CREATE SCHEMA IF NOT EXISTS needs the right to create a schema even if it exists.
    IF to_regnamespace('eventflow_stats') IS NULL THEN
        CREATE SCHEMA eventflow_stats;
    END IF;
    FOREACH role_name IN ARRAY ARRAY['eventflow_stats_engine', 'eventflow_stats_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
        END IF;
        -- The migrating user creates the reader's functions as the reader. A superuser needs no membership for that.
        -- From PostgreSQL 16 on, the creator of a role may administer it, but not become it.
        IF NOT pg_has_role(
            current_user, role_name,
            CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
        ) THEN
            EXECUTE format('GRANT %I TO %I', role_name, current_user);
        END IF;
        -- PUBLIC usually has these rights. A hardened database took them away.
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role_name);
    END LOOP;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO eventflow_stats_engine', current_database());
    -- A GRANT by a user who may not give the right is only a warning.
    IF NOT has_schema_privilege('eventflow_stats_engine', 'public', 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE = 'cannot give eventflow_stats_engine USAGE on schema public';
    END IF;
    IF NOT has_database_privilege('eventflow_stats_engine', current_database(), 'TEMPORARY') THEN
        RAISE insufficient_privilege USING MESSAGE = 'cannot give eventflow_stats_engine TEMPORARY on the database';
    END IF;
END
$$;
REVOKE ALL ON SCHEMA eventflow_stats FROM PUBLIC;
GRANT USAGE ON SCHEMA eventflow_stats TO eventflow_stats_engine, eventflow_stats_reader;
