-- The two roles of ours, and the migrating user's right to become them: it makes the functions of the reader as the reader.
-- A dump of one database carries neither.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['eventflow_stats_engine', 'eventflow_stats_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
        END IF;
        -- A superuser needs no membership. From PostgreSQL 16 on, a role's creator is a member that may administer
        -- the role but not set it.
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
