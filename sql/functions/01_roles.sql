-- Creates our two roles, and lets the migrating user become them: the reader's functions are created as the reader.
-- A dump of one database contains neither.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['eventflow_stats_engine', 'eventflow_stats_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
        END IF;
        -- A superuser needs no membership. From PostgreSQL 16 on, the creator of a role may administer it, but not
        -- become it.
        IF NOT pg_has_role(
            current_user, role_name,
            CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
        ) THEN
            EXECUTE format('GRANT %I TO %I', role_name, current_user);
        END IF;
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA eventflow_stats TO eventflow_stats_engine, eventflow_stats_reader;
