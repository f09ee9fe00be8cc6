-- Views of the product's dimensions: names for people, links with all their columns, campaigns and webinars of a
-- client.

-- Names for people. One row per client, link or campaign.
CREATE OR REPLACE VIEW eventflow_stats.client_names AS
SELECT id AS client_id, name, slug FROM public.clients;

CREATE OR REPLACE VIEW eventflow_stats.link_names AS
SELECT id AS link_id, client_id, name FROM public.campaign_link_meta;

CREATE OR REPLACE VIEW eventflow_stats.campaign_names AS
SELECT id AS campaign_id, client_id, title AS name FROM public.event_survey_campaigns;

-- One row per link. all_columns is the whole row of the product, with columns that the product adds later.
CREATE OR REPLACE VIEW eventflow_stats.link_details AS
SELECT
    link.id AS link_id,
    link.client_id,
    link.name,
    eventflow_stats.utm_value(link.utm_source) AS utm_source,
    eventflow_stats.utm_value(link.utm_medium) AS utm_medium,
    eventflow_stats.utm_value(link.utm_campaign) AS utm_campaign,
    link.status,
    to_jsonb(link) AS all_columns,
    link.xmin AS link_version
FROM public.campaign_link_meta AS link;

CREATE OR REPLACE VIEW eventflow_stats.client_campaigns AS
SELECT client_id, id AS campaign_id FROM public.event_survey_campaigns;

CREATE OR REPLACE VIEW eventflow_stats.client_webinars AS
SELECT client_id, id AS webinar_id FROM public.webinars;

-- No number of the rollup needs registrations, so a product without them is accepted. The block "webinars" of the
-- overview then reports an error.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('public.registrations') AND attname = 'created_at' AND NOT attisdropped
    ) THEN
        CREATE OR REPLACE VIEW eventflow_stats.webinar_registrations AS
        SELECT webinar_id, created_at AS registered_at FROM public.registrations;
        REVOKE ALL ON eventflow_stats.webinar_registrations FROM PUBLIC, anon, authenticated, service_role;
        GRANT SELECT ON eventflow_stats.webinar_registrations TO eventflow_stats_reader;
    END IF;
END
$$;

REVOKE ALL ON
    eventflow_stats.client_names, eventflow_stats.link_names, eventflow_stats.campaign_names,
    eventflow_stats.link_details, eventflow_stats.client_campaigns, eventflow_stats.client_webinars
    FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.client_names, eventflow_stats.link_names, eventflow_stats.campaign_names
    TO eventflow_stats_engine, eventflow_stats_reader;
GRANT SELECT ON eventflow_stats.link_details, eventflow_stats.client_campaigns, eventflow_stats.client_webinars
    TO eventflow_stats_reader;
