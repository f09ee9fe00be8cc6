-- What a fact is: the two views through which every number of the rollup reads the product's tables. The owner of the
-- product tables owns the views, so the engine's role reads facts through them and needs no right on a product table. A
-- view reads the tables that had the product's names when the view was created: `migrate` creates it again after the
-- product replaced a table.

-- One row per client that has links whose cid is not stored as the product writes it (trimmed, in upper case). Usually
-- there is no row. by_cid maps the cid as stored to the link's id, by_code the cid in its usual form; of several links
-- the one with the smallest id.
-- The link of a fact is the one stored with it, else the link with exactly its cid, else the link with its cid trimmed
-- and in upper case. One row per client is looked up once per campaign: a fact never matches twice, and the lookup
-- costs nothing per fact.
CREATE OR REPLACE VIEW eventflow_stats.odd_link_cids AS
SELECT
    client_id,
    jsonb_object_agg(cid, id ORDER BY id DESC) AS by_cid,
    jsonb_object_agg(upper(btrim(cid, E' \t\n\r\f\x0B')), id ORDER BY id DESC) AS by_code
FROM public.campaign_link_meta
WHERE cid <> upper(btrim(cid, E' \t\n\r\f\x0B')) AND btrim(cid, E' \t\n\r\f\x0B') <> ''
GROUP BY client_id;

-- One row per visit row (a page view). A UNION ALL of rows with a campaign and rows with a webinar alone, so that a
-- condition on client_id can use the index on (campaign_id, accessed_at): coalesce() of two clients would prevent that.
-- All whitespace around a cid is removed: btrim() alone removes only blanks, and people paste codes.
-- fact_version is the row version (xmin) of the fact: another one than before means that the fact was updated.
CREATE OR REPLACE VIEW eventflow_stats.visit_facts AS
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
    v.created_at AS ingested_at,
    v.xmin AS fact_version
FROM public.event_access_logs AS v
LEFT JOIN (
    public.event_survey_campaigns AS campaign
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
) ON campaign.id = v.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON v.marketing_campaign_link_id IS NULL
    AND link.client_id = campaign.client_id
    AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
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
    v.created_at,
    v.xmin
FROM public.event_access_logs AS v
LEFT JOIN (
    public.webinars AS webinar
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = webinar.client_id
) ON webinar.id = v.webinar_id
LEFT JOIN public.campaign_link_meta AS link
    ON v.marketing_campaign_link_id IS NULL
    AND link.client_id = webinar.client_id
    AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NULL;

-- One row per conversion fact (an entry).
CREATE OR REPLACE VIEW eventflow_stats.conversion_facts AS
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
    e.created_at AS ingested_at,
    e.xmin AS fact_version
FROM public.event_survey_entries AS e
LEFT JOIN (
    public.event_survey_campaigns AS campaign
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
) ON campaign.id = e.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON e.marketing_campaign_link_id IS NULL
    AND link.client_id = campaign.client_id
    AND link.cid = upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'));

REVOKE ALL ON eventflow_stats.odd_link_cids, eventflow_stats.visit_facts, eventflow_stats.conversion_facts
    FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.visit_facts, eventflow_stats.conversion_facts
    TO eventflow_stats_engine, eventflow_stats_reader;
