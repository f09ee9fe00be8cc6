-- The public read functions, with the names and parameters that the product calls. They run as the caller. Their bodies
-- are parsed once, so they reach functions in a schema that is closed to the caller. The planner inlines them.
CREATE OR REPLACE FUNCTION public.marketing_summary(client_id uuid, "from" date DEFAULT NULL, "to" date DEFAULT NULL)
    RETURNS json
    LANGUAGE sql STABLE
    RETURN eventflow_stats.read_summary(client_id, "from", "to");
CREATE OR REPLACE FUNCTION public.marketing_links(client_id uuid, "from" date DEFAULT NULL, "to" date DEFAULT NULL)
    RETURNS json
    LANGUAGE sql STABLE
    RETURN eventflow_stats.read_links(client_id, "from", "to");
CREATE OR REPLACE FUNCTION public.marketing_link_stats(
    client_id uuid, link_id uuid, "from" date DEFAULT NULL, "to" date DEFAULT NULL
)
    RETURNS json
    LANGUAGE sql STABLE
    RETURN eventflow_stats.read_link_stats(client_id, link_id, "from", "to");
CREATE OR REPLACE FUNCTION public.marketing_overview(client_id uuid, "from" date DEFAULT NULL, "to" date DEFAULT NULL)
    RETURNS json
    LANGUAGE sql STABLE
    RETURN eventflow_stats.read_overview(client_id, "from", "to");
CREATE OR REPLACE FUNCTION public.marketing_version(
    client_id uuid, "from" date DEFAULT NULL, "to" date DEFAULT NULL, link_id uuid DEFAULT NULL
)
    RETURNS text
    LANGUAGE sql STABLE
    RETURN eventflow_stats.read_version(client_id, link_id, "from", "to");
CREATE OR REPLACE FUNCTION public.marketing_is_readable(client_id uuid, link_id uuid DEFAULT NULL)
    RETURNS boolean
    LANGUAGE sql STABLE
    RETURN eventflow_stats.read_is_readable(client_id, link_id);
-- Supabase grants every new function of schema public to its roles by name.
REVOKE ALL ON FUNCTION
    public.marketing_summary, public.marketing_links, public.marketing_link_stats, public.marketing_overview,
    public.marketing_version, public.marketing_is_readable
    FROM PUBLIC, anon;
GRANT EXECUTE ON FUNCTION
    public.marketing_summary, public.marketing_links, public.marketing_link_stats, public.marketing_overview,
    public.marketing_version, public.marketing_is_readable
    TO authenticated, service_role;

CREATE OR REPLACE FUNCTION public.marketing_explain(
    client_id uuid, day date DEFAULT NULL, campaign_id text DEFAULT NULL, link_id text DEFAULT NULL,
    utm_source text DEFAULT NULL, utm_medium text DEFAULT NULL, utm_campaign text DEFAULT NULL
)
    RETURNS json
    LANGUAGE sql STABLE
    RETURN eventflow_stats.read_explain(client_id, day, campaign_id, link_id, utm_source, utm_medium, utm_campaign);
REVOKE ALL ON FUNCTION public.marketing_explain FROM PUBLIC, anon;
GRANT EXECUTE ON FUNCTION public.marketing_explain TO authenticated, service_role;
