-- How each fact got its session, link and day: for explanations and data quality; no number of the rollup needs it. One
-- row per fact. The columns that visit_facts and conversion_facts have too are a second copy. They must be equal to
-- theirs: change both. To use this project with another product's tables, rewrite these views too.
--   cid_link_id  the link that the cid names, whether it was used or not
--   is_linked    a visit of any day names this entry
-- A UNION ALL for the same reason as in visit_facts: a condition on client_id can use the index on (campaign_id,
-- accessed_at).
CREATE OR REPLACE VIEW eventflow_stats.visit_attribution AS
SELECT
    v.id AS fact_id,
    campaign.client_id,
    v.campaign_id,
    coalesce(
        v.marketing_campaign_link_id,
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ) AS link_id,
    eventflow_stats.utm_value(v.utm_source) AS utm_source,
    eventflow_stats.utm_value(v.utm_medium) AS utm_medium,
    eventflow_stats.utm_value(v.utm_campaign) AS utm_campaign,
    coalesce(nullif(v.session_id, ''), v.id::text) AS session_key,
    v.accessed_at AS event_at,
    v.xmin AS fact_version,
    coalesce(v.session_id, '') <> '' AS has_session,
    v.marketing_campaign_link_id AS stored_link_id,
    coalesce(btrim(v.cid, E' \t\n\r\f\x0B'), '') <> '' AS has_cid,
    coalesce(
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ) AS cid_link_id
FROM public.event_access_logs AS v
LEFT JOIN (
    public.event_survey_campaigns AS campaign
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
) ON campaign.id = v.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON link.client_id = campaign.client_id AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NOT NULL
UNION ALL
SELECT
    v.id,
    webinar.client_id,
    NULL::uuid,
    coalesce(
        v.marketing_campaign_link_id,
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ),
    eventflow_stats.utm_value(v.utm_source),
    eventflow_stats.utm_value(v.utm_medium),
    eventflow_stats.utm_value(v.utm_campaign),
    coalesce(nullif(v.session_id, ''), v.id::text),
    v.accessed_at,
    v.xmin,
    coalesce(v.session_id, '') <> '',
    v.marketing_campaign_link_id,
    coalesce(btrim(v.cid, E' \t\n\r\f\x0B'), '') <> '',
    coalesce(
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    )
FROM public.event_access_logs AS v
LEFT JOIN (
    public.webinars AS webinar
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = webinar.client_id
) ON webinar.id = v.webinar_id
LEFT JOIN public.campaign_link_meta AS link
    ON link.client_id = webinar.client_id AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NULL;

-- No number needs completed_at, so a product without that column is accepted.
DO $$
BEGIN
    EXECUTE format(
        $view$
        CREATE OR REPLACE VIEW eventflow_stats.conversion_attribution AS
        SELECT
            e.id AS fact_id,
            campaign.client_id,
            e.campaign_id,
            coalesce(
                e.marketing_campaign_link_id,
                CAST(odd.by_cid ->> (e.registration_data ->> 'cid') AS uuid),
                link.id,
                CAST(odd.by_code ->> upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B')) AS uuid)
            ) AS link_id,
            eventflow_stats.utm_value(e.utm_source) AS utm_source,
            eventflow_stats.utm_value(e.utm_medium) AS utm_medium,
            eventflow_stats.utm_value(e.utm_campaign) AS utm_campaign,
            e.created_at AS event_at,
            e.xmin AS fact_version,
            e.marketing_campaign_link_id AS stored_link_id,
            coalesce(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'), '') <> '' AS has_cid,
            coalesce(
                CAST(odd.by_cid ->> (e.registration_data ->> 'cid') AS uuid),
                link.id,
                CAST(odd.by_code ->> upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B')) AS uuid)
            ) AS cid_link_id,
            EXISTS (SELECT FROM public.event_access_logs AS v WHERE v.entry_id = e.id) AS is_linked,
            %s AS completed_at
        FROM public.event_survey_entries AS e
        LEFT JOIN (
            public.event_survey_campaigns AS campaign
            LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
        ) ON campaign.id = e.campaign_id
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
