-- Data quality per client and day: what the product's own goals are measured by (linkage, UTM fill, unknown share,
-- tracking success), and what alarms are reported from. Counts are of facts, rates of counts.

-- Two more doors to facts: how each got its session, link and day, which no number of the rollup needs. They must equal
-- visit_facts and conversion_facts in every column that both have; another product writes them as well. cid_link_id is
-- the link that the cid names, whether it counted or not; is_linked: some visit, of whatever day, says that it became
-- this entry.
-- A UNION ALL for the reason told there: a condition on client_id reaches the index on (campaign_id, accessed_at).
CREATE OR REPLACE VIEW eventflow_stats.visit_attribution AS
SELECT
    v.id AS fact_id,
    campaign.client_id,
    v.campaign_id,
    coalesce(v.marketing_campaign_link_id, link.id) AS link_id,
    eventflow_stats.utm_value(v.utm_source) AS utm_source,
    eventflow_stats.utm_value(v.utm_medium) AS utm_medium,
    eventflow_stats.utm_value(v.utm_campaign) AS utm_campaign,
    coalesce(nullif(v.session_id, ''), v.id::text) AS session_key,
    v.accessed_at AS event_at,
    v.xmin AS fact_version,
    coalesce(v.session_id, '') <> '' AS has_session,
    v.marketing_campaign_link_id AS stored_link_id,
    coalesce(btrim(v.cid, E' \t\n\r\f\x0B'), '') <> '' AS has_cid,
    link.id AS cid_link_id
FROM public.event_access_logs AS v
LEFT JOIN public.event_survey_campaigns AS campaign ON campaign.id = v.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON link.client_id = campaign.client_id AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NOT NULL
UNION ALL
SELECT
    v.id,
    webinar.client_id,
    NULL::uuid,
    coalesce(v.marketing_campaign_link_id, link.id),
    eventflow_stats.utm_value(v.utm_source),
    eventflow_stats.utm_value(v.utm_medium),
    eventflow_stats.utm_value(v.utm_campaign),
    coalesce(nullif(v.session_id, ''), v.id::text),
    v.accessed_at,
    v.xmin,
    coalesce(v.session_id, '') <> '',
    v.marketing_campaign_link_id,
    coalesce(btrim(v.cid, E' \t\n\r\f\x0B'), '') <> '',
    link.id
FROM public.event_access_logs AS v
LEFT JOIN public.webinars AS webinar ON webinar.id = v.webinar_id
LEFT JOIN public.campaign_link_meta AS link
    ON link.client_id = webinar.client_id AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NULL;

-- No number needs completed_at, so a product without it is not refused.
DO $$
BEGIN
    EXECUTE format(
        $view$
        CREATE OR REPLACE VIEW eventflow_stats.conversion_attribution AS
        SELECT
            e.id AS fact_id,
            campaign.client_id,
            e.campaign_id,
            coalesce(e.marketing_campaign_link_id, link.id) AS link_id,
            eventflow_stats.utm_value(e.utm_source) AS utm_source,
            eventflow_stats.utm_value(e.utm_medium) AS utm_medium,
            eventflow_stats.utm_value(e.utm_campaign) AS utm_campaign,
            e.created_at AS event_at,
            e.xmin AS fact_version,
            e.marketing_campaign_link_id AS stored_link_id,
            coalesce(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'), '') <> '' AS has_cid,
            link.id AS cid_link_id,
            EXISTS (SELECT FROM public.event_access_logs AS v WHERE v.entry_id = e.id) AS is_linked,
            %s AS completed_at
        FROM public.event_survey_entries AS e
        LEFT JOIN public.event_survey_campaigns AS campaign ON campaign.id = e.campaign_id
        LEFT JOIN public.campaign_link_meta AS link
            ON link.client_id = campaign.client_id
            AND link.cid = upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'))
        $view$,
        CASE
            WHEN EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = 'public.event_survey_entries'::regclass AND attname = 'completed_at'
                    AND atttypid = 'timestamptz'::regtype AND NOT attisdropped
            ) THEN 'e.completed_at'
            ELSE 'NULL::timestamptz'
        END
    );
END
$$;

REVOKE ALL ON eventflow_stats.visit_attribution, eventflow_stats.conversion_attribution
    FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.visit_attribution, eventflow_stats.conversion_attribution
    TO eventflow_stats_engine, eventflow_stats_reader;

-- One row per client and bucket day with facts.
CREATE TABLE IF NOT EXISTS eventflow_stats.marketing_data_quality_daily (
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    computed_at timestamptz NOT NULL,
    visit_facts bigint NOT NULL,
    visits bigint NOT NULL,
    sessionless_visits bigint NOT NULL,
    entries bigint NOT NULL,
    linked_entries bigint NOT NULL,
    visit_facts_with_utm bigint NOT NULL,
    entries_with_utm bigint NOT NULL,
    visit_facts_with_link bigint NOT NULL,
    entries_with_link bigint NOT NULL,
    tracked_entries bigint NOT NULL,
    unknown_facts bigint NOT NULL,
    linkage_rate numeric(5, 2) GENERATED ALWAYS AS (
        round(linked_entries * 100::numeric / nullif(entries, 0), 2)
    ) STORED,
    utm_fill_rate numeric(5, 2) GENERATED ALWAYS AS (
        round((visit_facts_with_utm + entries_with_utm) * 100::numeric / nullif(visit_facts + entries, 0), 2)
    ) STORED,
    attribution_rate numeric(5, 2) GENERATED ALWAYS AS (
        round((visit_facts_with_link + entries_with_link) * 100::numeric / nullif(visit_facts + entries, 0), 2)
    ) STORED,
    unknown_rate numeric(5, 2) GENERATED ALWAYS AS (
        round(unknown_facts * 100::numeric / nullif(visit_facts + entries, 0), 2)
    ) STORED,
    tracking_success_rate numeric(5, 2) GENERATED ALWAYS AS (
        round(tracked_entries * 100::numeric / nullif(entries, 0), 2)
    ) STORED,
    PRIMARY KEY (client_id, bucket_date)
);
CREATE INDEX IF NOT EXISTS marketing_data_quality_daily_day_idx
    ON eventflow_stats.marketing_data_quality_daily (bucket_date);

COMMENT ON TABLE eventflow_stats.marketing_data_quality_daily IS
    'One row per client and bucket day with facts: how well its visits and entries are tracked. Rates are percent, NULL where there is nothing to divide by. Facts of no client are in days.unresolved_facts.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.computed_at IS
    'When the row last changed. When its day was last computed is in quality_days.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.visit_facts IS
    'Rows of the access log: page views.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.visits IS
    'Distinct sessions of the client''s day (R44); the rollup''s visits of the day are more where a session is in two groups.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.sessionless_visits IS
    'Access-log rows without a session id, each a visit of its own (R50: there should be none).';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.entries IS
    'Submitted entries, which are the conversions (R44).';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.linked_entries IS
    'Entries that some visit, of whatever day, names by its entry_id.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.visit_facts_with_utm IS
    'Access-log rows with a UTM source, medium or campaign; an empty text is none.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.entries_with_utm IS
    'Entries with a UTM source, medium or campaign; an empty text is none.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.visit_facts_with_link IS
    'Access-log rows of a tracking link, stored or found by the cid.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.entries_with_link IS
    'Entries of a tracking link, stored or found by the cid.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.tracked_entries IS
    'Entries with a link or any UTM: tracked_count of marketing_summary.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.unknown_facts IS
    'Access-log rows and entries with neither a link nor any UTM: nobody knows where they came from.';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.linkage_rate IS
    'linked_entries of entries, percent (R45, goal 70).';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.utm_fill_rate IS
    'Facts with any UTM of all visit_facts and entries, percent (R46, goal 60).';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.attribution_rate IS
    'Facts with a link of all visit_facts and entries, percent (R47).';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.unknown_rate IS
    'unknown_facts of all visit_facts and entries, percent (R48, goal 10 at most).';
COMMENT ON COLUMN eventflow_stats.marketing_data_quality_daily.tracking_success_rate IS
    'tracked_entries of entries, percent (R49, goal 80): tracking_success_rate of marketing_summary.';

-- One row per day whose data quality was computed. Not a column of days: a refresh writes that row in its own
-- transaction, and of two that write it at once one fails and has to work twice.
CREATE TABLE IF NOT EXISTS eventflow_stats.quality_days (
    bucket_date date PRIMARY KEY,
    computed_at timestamptz NOT NULL
);
COMMENT ON COLUMN eventflow_stats.quality_days.computed_at IS
    'Every client-day of the day computed before, and the day if verified whole before, is in marketing_data_quality_daily; what was later is due.';

REVOKE ALL ON eventflow_stats.marketing_data_quality_daily, eventflow_stats.quality_days
    FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON eventflow_stats.marketing_data_quality_daily TO eventflow_stats_engine;
GRANT SELECT, INSERT, UPDATE ON eventflow_stats.quality_days TO eventflow_stats_engine;
