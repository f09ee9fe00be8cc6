-- The schema, the two roles of ours and what they may do outside of it. It runs before the first migration, too.
-- A dump of one database carries neither roles nor rights on the database.
DO $$
DECLARE
    role_name text;
BEGIN
    -- CREATE SCHEMA IF NOT EXISTS needs the right to create one even if it is there.
    IF to_regnamespace('eventflow_stats') IS NULL THEN
        CREATE SCHEMA eventflow_stats;
    END IF;
    FOREACH role_name IN ARRAY ARRAY['eventflow_stats_engine', 'eventflow_stats_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
        END IF;
        -- The migrating user makes the functions of the reader as the reader. A superuser needs no membership for that.
        -- From PostgreSQL 16 on, a role's creator is a member that may administer the role but not set it.
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
    -- A GRANT by somebody who may not give the right is a mere warning.
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
