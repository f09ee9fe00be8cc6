-- EventFlow's own marketing_stats_daily, where there is one, becomes the table that 0003 describes. It keeps its rows.
-- A table that 0003 made has both keys, and nothing happens.
DO $$
DECLARE
    found record;
BEGIN
    IF (
        SELECT count(*) FROM pg_constraint
        WHERE conrelid = 'public.marketing_stats_daily'::regclass
            AND (contype = 'p' AND cardinality(conkey) = 3 OR conname = 'marketing_stats_daily_group_key')
    ) = 2 THEN
        RETURN;
    END IF;

    -- Its keys, its foreign keys into product tables, its open policies and its trigger. sql/functions make ours.
    FOR found IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'public.marketing_stats_daily'::regclass AND contype IN ('f', 'u', 'p')
    LOOP
        EXECUTE format('ALTER TABLE public.marketing_stats_daily DROP CONSTRAINT %I', found.conname);
    END LOOP;
    FOR found IN
        SELECT indexrelid::regclass AS index_name FROM pg_index
        WHERE indrelid = 'public.marketing_stats_daily'::regclass AND indisunique
    LOOP
        EXECUTE format('DROP INDEX %s', found.index_name);
    END LOOP;
    FOR found IN
        SELECT policyname FROM pg_policies WHERE schemaname = 'public' AND tablename = 'marketing_stats_daily'
    LOOP
        EXECUTE format('DROP POLICY %I ON public.marketing_stats_daily', found.policyname);
    END LOOP;
    FOR found IN
        SELECT tgname FROM pg_trigger
        WHERE tgrelid = 'public.marketing_stats_daily'::regclass AND NOT tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %I ON public.marketing_stats_daily', found.tgname);
    END LOOP;

    -- Older tables have numeric(5,2), which overflows above 999.99 %.
    ALTER TABLE public.marketing_stats_daily DROP COLUMN cvr;
    ALTER TABLE public.marketing_stats_daily
        ADD COLUMN cvr numeric(10, 2) GENERATED ALWAYS AS (
            CASE WHEN visits = 0 THEN 0 ELSE round(conversions::numeric / visits * 100, 2) END
        ) STORED,
        ALTER COLUMN id DROP DEFAULT,
        ALTER COLUMN visits SET DEFAULT 0,
        ALTER COLUMN conversions SET DEFAULT 0,
        ALTER COLUMN first_aggregated_at SET DEFAULT now(),
        ALTER COLUMN last_aggregated_at SET DEFAULT now(),
        ALTER COLUMN created_at SET DEFAULT now(),
        ALTER COLUMN updated_at SET DEFAULT now();
    COMMENT ON COLUMN public.marketing_stats_daily.cvr IS 'Conversions per 100 visits. 0 without visits. It may exceed 100.';

    -- Its key allowed several rows of one group with NULL dimensions. The row aggregated last stays.
    WITH superseded AS (
        DELETE FROM public.marketing_stats_daily
        WHERE id IN (
            SELECT ranked.id FROM (
                SELECT m.id, row_number() OVER (
                    PARTITION BY m.client_id, m.bucket_date, m.campaign_id, m.marketing_campaign_link_id,
                        m.utm_source, m.utm_medium, m.utm_campaign
                    ORDER BY m.last_aggregated_at DESC, m.updated_at DESC, m.id
                ) AS place
                FROM public.marketing_stats_daily AS m
            ) AS ranked
            WHERE ranked.place > 1
        )
        RETURNING *
    )
    INSERT INTO eventflow_stats.superseded_rows (reason, original_row)
    SELECT 'duplicate of a group with NULL dimensions', to_jsonb(superseded) FROM superseded;

    -- As function eventflow_stats.group_id, which sql/functions make later.
    UPDATE public.marketing_stats_daily
    SET id = md5(ROW(
        client_id, bucket_date - date '1970-01-01', campaign_id, marketing_campaign_link_id,
        utm_source, utm_medium, utm_campaign
    )::text)::uuid;
    ALTER TABLE public.marketing_stats_daily
        ADD PRIMARY KEY (client_id, bucket_date, id),
        ADD CONSTRAINT marketing_stats_daily_group_key UNIQUE NULLS NOT DISTINCT (
            client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign
        );
END
$$;
