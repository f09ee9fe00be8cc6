-- The rollup: one row per client, day, campaign, link and UTM triple.
-- Lays it, or takes over the original table with its rows (constraints changed, duplicates set
-- aside in eventflow_stats.superseded_rows, nothing deleted).
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
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Nobody but the owner writes from here on: Supabase grants everything on a new table of schema public
-- to everyone, and the original was open. Who may read comes with a later migration.
ALTER TABLE public.marketing_stats_daily ENABLE ROW LEVEL SECURITY;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON public.marketing_stats_daily
    FROM PUBLIC, anon, authenticated, service_role;

CREATE TABLE IF NOT EXISTS eventflow_stats.superseded_rows (
    superseded_at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL,
    original_row jsonb NOT NULL
);

-- What the original had and this table must not: foreign keys into product tables, its unique
-- expression index, its open policies, its trigger, a random id.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'public.marketing_stats_daily'::regclass
            AND (contype IN ('f', 'u') OR (contype = 'p' AND cardinality(conkey) = 1))
            AND conname <> 'marketing_stats_daily_group_key'
    LOOP
        EXECUTE format('ALTER TABLE public.marketing_stats_daily DROP CONSTRAINT %I', found.conname);
    END LOOP;
    FOR found IN
        SELECT indexrelid::regclass AS index_name FROM pg_index
        WHERE indrelid = 'public.marketing_stats_daily'::regclass AND indisunique AND indexprs IS NOT NULL
    LOOP
        EXECUTE format('DROP INDEX %s', found.index_name);
    END LOOP;
    FOR found IN
        SELECT policyname FROM pg_policies
        WHERE schemaname = 'public' AND tablename = 'marketing_stats_daily'
            -- Laid by a later migration: this file may run again.
            AND policyname NOT IN (
                'members_read', 'service_reads', 'engine_writes', 'super_admins_read', 'functions_read'
            )
    LOOP
        EXECUTE format('DROP POLICY %I ON public.marketing_stats_daily', found.policyname);
    END LOOP;
    FOR found IN
        SELECT tgname FROM pg_trigger
        WHERE tgrelid = 'public.marketing_stats_daily'::regclass AND NOT tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %I ON public.marketing_stats_daily', found.tgname);
    END LOOP;
END
$$;

-- Before the product's migration 080 the rate was numeric(5,2) and overflowed above 999.99 %.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'public.marketing_stats_daily'::regclass
            AND attname = 'cvr' AND attgenerated = 's'
            AND format_type(atttypid, atttypmod) = 'numeric(10,2)'
    ) THEN
        ALTER TABLE public.marketing_stats_daily DROP COLUMN cvr;
        ALTER TABLE public.marketing_stats_daily ADD COLUMN cvr numeric(10, 2) GENERATED ALWAYS AS (
            CASE WHEN visits = 0 THEN 0 ELSE round(conversions::numeric / visits * 100, 2) END
        ) STORED;
    END IF;
END
$$;

-- The original's key left NULL campaigns out, so a group could stand twice: the row aggregated last
-- stays, the others are set aside.
CREATE TEMP TABLE superseded ON COMMIT DROP AS
SELECT id FROM (
    SELECT id, row_number() OVER (
        PARTITION BY client_id, bucket_date, campaign_id, marketing_campaign_link_id,
            utm_source, utm_medium, utm_campaign
        ORDER BY last_aggregated_at DESC, updated_at DESC, id
    ) AS place
    FROM public.marketing_stats_daily
) AS ranked
WHERE place > 1;
INSERT INTO eventflow_stats.superseded_rows (reason, original_row)
SELECT 'duplicate of a group with NULL dimensions', to_jsonb(m)
FROM public.marketing_stats_daily AS m JOIN superseded USING (id);
DELETE FROM public.marketing_stats_daily AS m USING superseded AS s WHERE m.id = s.id;
DROP TABLE superseded;

-- The product's inserts named every column; whether the original has these defaults is not evidenced.
ALTER TABLE public.marketing_stats_daily
    ALTER COLUMN id DROP DEFAULT,
    ALTER COLUMN visits SET DEFAULT 0,
    ALTER COLUMN conversions SET DEFAULT 0,
    ALTER COLUMN first_aggregated_at SET DEFAULT now(),
    ALTER COLUMN last_aggregated_at SET DEFAULT now(),
    ALTER COLUMN created_at SET DEFAULT now(),
    ALTER COLUMN updated_at SET DEFAULT now();
UPDATE public.marketing_stats_daily
SET id = eventflow_stats.group_id(
    client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign
)
WHERE id IS DISTINCT FROM eventflow_stats.group_id(
    client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign
);

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 'public.marketing_stats_daily'::regclass AND contype = 'p'
    ) THEN
        ALTER TABLE public.marketing_stats_daily ADD PRIMARY KEY (client_id, bucket_date, id);
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 'public.marketing_stats_daily'::regclass
            AND conname = 'marketing_stats_daily_group_key'
    ) THEN
        ALTER TABLE public.marketing_stats_daily
            ADD CONSTRAINT marketing_stats_daily_group_key UNIQUE NULLS NOT DISTINCT (
                client_id, bucket_date, campaign_id, marketing_campaign_link_id,
                utm_source, utm_medium, utm_campaign
            );
    END IF;
END
$$;

CREATE INDEX IF NOT EXISTS marketing_stats_daily_day_idx
    ON public.marketing_stats_daily (bucket_date, client_id);
CREATE INDEX IF NOT EXISTS marketing_stats_daily_campaign_idx
    ON public.marketing_stats_daily (campaign_id, bucket_date DESC);
CREATE INDEX IF NOT EXISTS marketing_stats_daily_link_idx
    ON public.marketing_stats_daily (marketing_campaign_link_id, bucket_date DESC);
CREATE INDEX IF NOT EXISTS marketing_stats_daily_utm_idx
    ON public.marketing_stats_daily (client_id, utm_source, utm_medium, utm_campaign, bucket_date);

CREATE OR REPLACE FUNCTION eventflow_stats.touch_marketing_stats_daily() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
    AS $$
BEGIN
    NEW.updated_at := now();
    NEW.last_aggregated_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER marketing_stats_daily_touch
    BEFORE UPDATE ON public.marketing_stats_daily
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.touch_marketing_stats_daily();

COMMENT ON TABLE public.marketing_stats_daily IS
    'One row per client, bucket day, campaign, link and UTM triple; NULL is a value of its own. Written by eventflow_stats_engine alone.';
COMMENT ON COLUMN public.marketing_stats_daily.id IS 'Derived from the group''s key (eventflow_stats.group_id).';
COMMENT ON COLUMN public.marketing_stats_daily.visits IS 'Distinct sessions of the group, exact.';
COMMENT ON COLUMN public.marketing_stats_daily.conversions IS 'Entries of the group.';
COMMENT ON COLUMN public.marketing_stats_daily.cvr IS 'Conversions per 100 visits, 0 without visits; may exceed 100.';
