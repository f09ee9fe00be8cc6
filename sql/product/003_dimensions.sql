-- EventFlow's dimension tables: campaigns, webinars, tracking links.
CREATE TABLE public.event_survey_campaigns (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agency_id uuid,
    client_id uuid NOT NULL,
    title text NOT NULL,
    public_path text NOT NULL,
    status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'closed')),
    type text NOT NULL DEFAULT 'survey' CHECK (type IN ('survey', 'registration')),
    form_id uuid,
    next_survey_no integer NOT NULL DEFAULT 1,
    dashboard_code text,
    created_by uuid NOT NULL REFERENCES public.profiles (id),
    meta jsonb,
    schema jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (client_id, public_path)
);
CREATE UNIQUE INDEX event_survey_campaigns_dashboard_code_key
    ON public.event_survey_campaigns (dashboard_code) WHERE dashboard_code IS NOT NULL;

CREATE TABLE public.webinars (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug text UNIQUE,
    title text NOT NULL,
    client_id uuid,
    agency_id uuid,
    registration_campaign_id uuid REFERENCES public.event_survey_campaigns (id) ON DELETE SET NULL,
    start_time timestamptz,
    access_policy text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.campaign_link_meta (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agency_id uuid,
    client_id uuid NOT NULL,
    name text NOT NULL,
    target_campaign_id uuid REFERENCES public.event_survey_campaigns (id) ON DELETE CASCADE,
    target_webinar_id uuid REFERENCES public.webinars (id) ON DELETE CASCADE,
    target_type text DEFAULT 'campaign',
    landing_variant text,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    utm_term text,
    utm_content text,
    status text DEFAULT 'active',
    start_date date,
    cid text,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (client_id, name),
    CHECK (
        (target_type = 'campaign' AND target_campaign_id IS NOT NULL AND target_webinar_id IS NULL)
        OR (target_type = 'webinar' AND target_webinar_id IS NOT NULL AND target_campaign_id IS NULL)
    )
);
CREATE UNIQUE INDEX campaign_link_meta_client_cid_key
    ON public.campaign_link_meta (client_id, cid) WHERE cid IS NOT NULL;
