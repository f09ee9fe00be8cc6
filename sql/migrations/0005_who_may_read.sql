-- Who may read and who may write the rollup: members read their clients, the engine alone writes.

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
REVOKE ALL ON FUNCTION eventflow_stats.readable_clients FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.readable_clients TO authenticated;

-- What PUBLIC usually has and a hardened database took away.
GRANT USAGE ON SCHEMA public TO eventflow_stats_engine;
DO $$
BEGIN
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

ALTER TABLE public.marketing_stats_daily ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON public.marketing_stats_daily FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.marketing_stats_daily TO authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.marketing_stats_daily TO eventflow_stats_engine;

-- IN (SELECT ...) is a hashed subplan: membership is looked up once a query, not once a row.
DROP POLICY IF EXISTS members_read ON public.marketing_stats_daily;
CREATE POLICY members_read ON public.marketing_stats_daily
    FOR SELECT TO authenticated
    USING (client_id IN (SELECT eventflow_stats.readable_clients()));
DROP POLICY IF EXISTS service_reads ON public.marketing_stats_daily;
CREATE POLICY service_reads ON public.marketing_stats_daily
    FOR SELECT TO service_role USING (true);
DROP POLICY IF EXISTS engine_writes ON public.marketing_stats_daily;
CREATE POLICY engine_writes ON public.marketing_stats_daily
    FOR ALL TO eventflow_stats_engine USING (true) WITH CHECK (true);

REVOKE ALL ON ALL TABLES IN SCHEMA eventflow_stats FROM PUBLIC, anon, authenticated, service_role;
