"""EventFlow's own ``marketing_stats_daily``, as it is in a live database before the first migration."""

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.engine.postgres.inspecting import run

CLIENT = "c0000000-0000-0000-0000-000000000001"
CAMPAIGN = "ca000000-0000-0000-0000-000000000001"
LINK = "11000000-0000-0000-0000-000000000001"
EARLY, LATE, LATEST = "2026-02-01 08:00:00+00", "2026-02-02 09:30:00+00", "2026-02-03 10:45:00+00"

# Supabase grants these on whatever the owner creates in schema public.
SUPABASE_DEFAULTS = """
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
"""

ORIGINAL = """
CREATE TABLE public.marketing_stats_daily (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    campaign_id uuid REFERENCES public.event_survey_campaigns (id) ON DELETE CASCADE,
    marketing_campaign_link_id uuid REFERENCES public.campaign_link_meta (id) ON DELETE SET NULL,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    visits bigint NOT NULL DEFAULT 0,
    conversions bigint NOT NULL DEFAULT 0,
    cvr numeric({precision}, 2) GENERATED ALWAYS AS (
        CASE WHEN visits = 0 THEN 0 ELSE round(conversions::numeric / visits::numeric * 100, 2) END
    ) STORED,
    first_aggregated_at timestamptz NOT NULL {default},
    last_aggregated_at timestamptz NOT NULL {default},
    created_at timestamptz NOT NULL {default},
    updated_at timestamptz NOT NULL {default}
);
CREATE UNIQUE INDEX original_key ON public.marketing_stats_daily (
    client_id, bucket_date, campaign_id,
    coalesce(marketing_campaign_link_id, '00000000-0000-0000-0000-000000000000'::uuid),
    coalesce(utm_source, '__null__'), coalesce(utm_medium, '__null__'), coalesce(utm_campaign, '__null__')
);
CREATE INDEX original_client_day ON public.marketing_stats_daily (client_id, bucket_date DESC);
CREATE INDEX original_campaign_day ON public.marketing_stats_daily (campaign_id, bucket_date DESC);
CREATE INDEX original_link_day ON public.marketing_stats_daily (marketing_campaign_link_id, bucket_date DESC);
CREATE INDEX original_utm ON public.marketing_stats_daily
    (client_id, utm_source, utm_medium, utm_campaign, bucket_date);
CREATE FUNCTION public.original_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    NEW.last_aggregated_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER original_touch BEFORE UPDATE ON public.marketing_stats_daily
    FOR EACH ROW EXECUTE FUNCTION public.original_touch();
ALTER TABLE public.marketing_stats_daily ENABLE ROW LEVEL SECURITY;
CREATE POLICY "members can read" ON public.marketing_stats_daily FOR SELECT USING (
    client_id IN (SELECT m.client_id FROM public.client_members AS m WHERE m.user_id = auth.uid())
    OR client_id IN (
        SELECT c.id FROM public.clients AS c JOIN public.agency_members AS a USING (agency_id)
        WHERE a.user_id = auth.uid() AND a.role IN ('owner', 'admin', 'analyst')
    )
);
CREATE POLICY "service_role can insert" ON public.marketing_stats_daily FOR INSERT WITH CHECK (true);
CREATE POLICY "service_role can update" ON public.marketing_stats_daily FOR UPDATE USING (true);
"""

# One group with every dimension; one with none, which the original key let in three times; one with a
# literal __null__ and a rate above 100 %; the group without dimensions again on another day.
ROWS = f"""
INSERT INTO auth.users (id) VALUES ('{CLIENT}');
INSERT INTO public.profiles (id) VALUES ('{CLIENT}');
INSERT INTO public.clients (id, name) VALUES ('{CLIENT}', 'Shop');
INSERT INTO public.event_survey_campaigns (id, client_id, title, public_path, created_by)
VALUES ('{CAMPAIGN}', '{CLIENT}', 'Spring', 'spring', '{CLIENT}');
INSERT INTO public.campaign_link_meta (id, client_id, name, target_campaign_id)
VALUES ('{LINK}', '{CLIENT}', 'Mail', '{CAMPAIGN}');
INSERT INTO public.marketing_stats_daily (
    client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign,
    visits, conversions, first_aggregated_at, last_aggregated_at, created_at, updated_at
) VALUES
    ('{CLIENT}', '2026-02-01', '{CAMPAIGN}', '{LINK}', 'mail', 'news', 'spring',
        10, 5, '{EARLY}', '{LATE}', '{EARLY}', '{LATE}'),
    ('{CLIENT}', '2026-02-01', NULL, NULL, NULL, NULL, NULL,
        3, 1, '{EARLY}', '{EARLY}', '{EARLY}', '{EARLY}'),
    ('{CLIENT}', '2026-02-01', NULL, NULL, NULL, NULL, NULL,
        4, 0, '{EARLY}', '{LATE}', '{EARLY}', '{EARLY}'),
    ('{CLIENT}', '2026-02-01', NULL, NULL, NULL, NULL, NULL,
        2, 0, '{EARLY}', '{EARLY}', '{EARLY}', '{LATE}'),
    ('{CLIENT}', '2026-02-01', '{CAMPAIGN}', NULL, '__null__', NULL, NULL,
        6, 8, '{EARLY}', '{LATE}', '{EARLY}', '{LATEST}'),
    ('{CLIENT}', '2026-02-02', NULL, NULL, NULL, NULL, NULL, 1, 0, '{LATE}', '{LATE}', '{LATE}', '{LATE}');
"""


def create_original(database: Database, precision: int = 10, default: str = "DEFAULT now()") -> None:
    """Create the product's table with rows in a database that has the product's other tables.

    ``precision`` of the rate is 5 before the product's migration 080; ``default`` is that of the four
    timestamps, on which the product's own inserts do not depend.
    """
    run(database, ORIGINAL.format(precision=precision, default=default))
    run(database, ROWS)
