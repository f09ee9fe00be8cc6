-- One row per client, day, campaign, link and UTM triple (a group) that has facts: the rollup.
CREATE TABLE IF NOT EXISTS public.marketing_stats_daily (
    id uuid NOT NULL,
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    campaign_id uuid,
    marketing_campaign_link_id uuid,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    visits bigint NOT NULL DEFAULT 0,
    conversions bigint NOT NULL DEFAULT 0,
    cvr numeric(10, 2) GENERATED ALWAYS AS (
        CASE WHEN visits = 0 THEN 0 ELSE round(conversions::numeric / visits * 100, 2) END
    ) STORED,
    first_aggregated_at timestamptz NOT NULL DEFAULT now(),
    last_aggregated_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client_id, bucket_date, id),
    CONSTRAINT marketing_stats_daily_group_key UNIQUE NULLS NOT DISTINCT (
        client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign
    )
);
COMMENT ON TABLE public.marketing_stats_daily IS
    'One row per client, day, campaign, link and UTM triple. NULL is a value of its own. Only the role eventflow_stats_engine writes it.';
COMMENT ON COLUMN public.marketing_stats_daily.id IS 'Derived from the other key columns (eventflow_stats.group_id).';
COMMENT ON COLUMN public.marketing_stats_daily.bucket_date IS 'The day, in the time zone of eventflow_stats.deployment.';
COMMENT ON COLUMN public.marketing_stats_daily.visits IS 'Distinct sessions of the group, exact.';
COMMENT ON COLUMN public.marketing_stats_daily.conversions IS 'Entries of the group.';
COMMENT ON COLUMN public.marketing_stats_daily.cvr IS 'Conversions per 100 visits. 0 without visits. It may exceed 100.';

CREATE INDEX IF NOT EXISTS marketing_stats_daily_day_idx
    ON public.marketing_stats_daily (bucket_date, client_id);
CREATE INDEX IF NOT EXISTS marketing_stats_daily_campaign_idx
    ON public.marketing_stats_daily (campaign_id, bucket_date DESC);
CREATE INDEX IF NOT EXISTS marketing_stats_daily_link_idx
    ON public.marketing_stats_daily (marketing_campaign_link_id, bucket_date DESC);
CREATE INDEX IF NOT EXISTS marketing_stats_daily_utm_idx
    ON public.marketing_stats_daily (client_id, utm_source, utm_medium, utm_campaign, bucket_date);

-- Supabase grants everything on a new table of schema public to everyone, and EventFlow's own table was open. This takes
-- the right to write away. Only the owner can write until sql/functions grants it to the role eventflow_stats_engine
-- alone. The policies are in sql/functions, too.
ALTER TABLE public.marketing_stats_daily ENABLE ROW LEVEL SECURITY;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON public.marketing_stats_daily
    FROM PUBLIC, anon, authenticated, service_role;
