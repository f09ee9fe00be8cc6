-- Which clients the user of a request may read.

-- The clients whose numbers the user may read. SECURITY DEFINER because the user has no right on the membership tables.
-- It has no parameter, so nobody can ask for another user.
CREATE OR REPLACE FUNCTION eventflow_stats.readable_clients() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT member.client_id
    FROM public.client_members AS member
    WHERE member.user_id = (SELECT auth.uid())
    UNION
    SELECT client.id
    FROM public.clients AS client
    JOIN public.agency_members AS member ON member.agency_id = client.agency_id
    WHERE member.user_id = (SELECT auth.uid()) AND member.role IN ('owner', 'admin', 'analyst')
    $$;

-- Whether the request may read every client: its role is service_role, or its token has the claim of a super admin.
-- Users cannot set that claim themselves (it is in app_metadata, not user_metadata), and it counts only for role
-- authenticated. The role is the one set for the request: in a SECURITY DEFINER function current_user is the function's
-- owner. The body is parsed once: a text would be resolved by the caller's search_path.
CREATE OR REPLACE FUNCTION eventflow_stats.reads_every_client() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN CASE coalesce(nullif(current_setting('role', true), 'none'), session_user)
        WHEN 'service_role' THEN true
        WHEN 'authenticated' THEN coalesce(
            nullif(current_setting('request.jwt.claims', true), '')::jsonb
                #> ARRAY['app_metadata', 'is_super_admin'] = jsonb 'true',
            false
        )
        ELSE false
    END;

-- In every function of ours that runs as its owner, search_path ends with pg_temp. If it were left out, PostgreSQL
-- would search it first for types: a temporary domain named uuid or date, with a CHECK of the caller's, would run as
-- the owner.
REVOKE ALL ON FUNCTION eventflow_stats.readable_clients, eventflow_stats.reads_every_client FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.readable_clients, eventflow_stats.reads_every_client
    TO authenticated, eventflow_stats_reader;
