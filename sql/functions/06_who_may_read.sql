-- Who asks, and which clients they may read.

-- The clients whose numbers the request's user may read. SECURITY DEFINER because the membership
-- tables are closed to the user; it takes no argument, so nobody can ask on another's behalf.
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

-- Whether the request reads every client: the service's role, or a super admin by claim. The claim is one that
-- users cannot set on themselves (app_metadata, not user_metadata), and only the role of signed-in users is asked for
-- it. The role is the one set for the request: inside a SECURITY DEFINER function current_user is its owner.
-- A body that is parsed once: a text would be read along the caller's search_path.
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

-- Here and in every function of ours that runs as its owner, pg_temp stands last, not nowhere: a schema that is not
-- named is looked in first for types, and a temporary domain called uuid or date, with a CHECK of the caller's, would
-- run as the owner of the function.
REVOKE ALL ON FUNCTION eventflow_stats.readable_clients, eventflow_stats.reads_every_client FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.readable_clients, eventflow_stats.reads_every_client
    TO authenticated, eventflow_stats_reader;
