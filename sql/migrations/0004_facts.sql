-- The two views that are the only door to facts; another product adopts the engine by writing these.
-- The owner of the product tables owns them, so the engine's role reads facts through them and has
-- no right on any product table.

-- A UTM value as a dimension: as stored, the empty text is NULL. Above 800 bytes (the product cuts its
-- own at 200 characters) it stands as its beginning and a digest of the whole, still a value of its own:
-- an index row holds 2,704 bytes, and one long value, which any visitor can send, would otherwise fail
-- the rebuild of its day for everybody. Without SET, so that the planner inlines it.
CREATE OR REPLACE FUNCTION eventflow_stats.utm_value(stored text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN octet_length(stored) > 800 THEN left(stored, 200) || '~' || md5(stored)
        ELSE nullif(stored, '')
    END
    $$;
GRANT EXECUTE ON FUNCTION eventflow_stats.utm_value TO eventflow_stats_engine;

-- visit_facts is a UNION ALL of campaign rows and webinar-only rows so that a condition on client_id
-- reaches the index on (campaign_id, accessed_at): coalesce() of two clients would hide it.
-- A cid is trimmed of every whitespace character: btrim() alone takes only blanks, and codes are pasted.
-- fact_version is the row version (xmin) of the fact: it tells an updated fact from the one computed.
CREATE OR REPLACE VIEW eventflow_stats.visit_facts AS
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
    v.created_at AS ingested_at,
    v.xmin AS fact_version
FROM public.event_access_logs AS v
LEFT JOIN public.event_survey_campaigns AS campaign ON campaign.id = v.campaign_id
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
    coalesce(v.marketing_campaign_link_id, link.id),
    eventflow_stats.utm_value(v.utm_source),
    eventflow_stats.utm_value(v.utm_medium),
    eventflow_stats.utm_value(v.utm_campaign),
    coalesce(nullif(v.session_id, ''), v.id::text),
    v.accessed_at,
    v.created_at,
    v.xmin
FROM public.event_access_logs AS v
LEFT JOIN public.webinars AS webinar ON webinar.id = v.webinar_id
LEFT JOIN public.campaign_link_meta AS link
    ON v.marketing_campaign_link_id IS NULL
    AND link.client_id = webinar.client_id
    AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NULL;

CREATE OR REPLACE VIEW eventflow_stats.conversion_facts AS
SELECT
    e.id AS fact_id,
    campaign.client_id,
    e.campaign_id,
    coalesce(e.marketing_campaign_link_id, link.id) AS link_id,
    eventflow_stats.utm_value(e.utm_source) AS utm_source,
    eventflow_stats.utm_value(e.utm_medium) AS utm_medium,
    eventflow_stats.utm_value(e.utm_campaign) AS utm_campaign,
    e.created_at AS event_at,
    e.created_at AS ingested_at,
    e.xmin AS fact_version
FROM public.event_survey_entries AS e
LEFT JOIN public.event_survey_campaigns AS campaign ON campaign.id = e.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON e.marketing_campaign_link_id IS NULL
    AND link.client_id = campaign.client_id
    AND link.cid = upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'));

-- Names for people: what a client, campaign or link is called.
CREATE OR REPLACE VIEW eventflow_stats.client_names AS
SELECT id AS client_id, name, slug FROM public.clients;
CREATE OR REPLACE VIEW eventflow_stats.link_names AS
SELECT id AS link_id, client_id, name FROM public.campaign_link_meta;

REVOKE ALL ON
    eventflow_stats.visit_facts, eventflow_stats.conversion_facts,
    eventflow_stats.client_names, eventflow_stats.link_names
    FROM PUBLIC, anon, authenticated;
GRANT SELECT ON
    eventflow_stats.visit_facts, eventflow_stats.conversion_facts,
    eventflow_stats.client_names, eventflow_stats.link_names
    TO eventflow_stats_engine;
