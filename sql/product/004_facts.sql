-- EventFlow's fact tables: conversions (event_survey_entries) and visits (event_access_logs).
CREATE TABLE public.event_survey_entries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    campaign_id uuid NOT NULL REFERENCES public.event_survey_campaigns (id) ON DELETE CASCADE,
    agency_id uuid,
    client_id uuid NOT NULL,
    name text,
    company text,
    phone_norm text NOT NULL,
    survey_no integer NOT NULL,
    code6 text NOT NULL,
    completed_at timestamptz NOT NULL DEFAULT now(),
    verified_at timestamptz,
    verified_by uuid,
    prize_label text,
    prize_recorded_at timestamptz,
    form_submission_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    consent_data jsonb,
    registration_data jsonb,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    utm_term text,
    utm_content text,
    utm_first_visit_at timestamptz,
    utm_referrer text,
    marketing_campaign_link_id uuid,
    UNIQUE (campaign_id, phone_norm),
    UNIQUE (campaign_id, survey_no),
    UNIQUE (campaign_id, code6)
);
CREATE INDEX event_survey_entries_campaign_created_idx
    ON public.event_survey_entries (campaign_id, created_at DESC);
CREATE INDEX event_survey_entries_campaign_utm_idx
    ON public.event_survey_entries (campaign_id, utm_source, utm_medium, utm_campaign)
    WHERE utm_source IS NOT NULL;
CREATE INDEX event_survey_entries_registration_data_idx
    ON public.event_survey_entries USING gin (registration_data);

-- As the product does it: an entry belongs to the client of its campaign.
CREATE FUNCTION public.event_survey_entries_set_client() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    SELECT c.client_id, c.agency_id INTO NEW.client_id, NEW.agency_id
    FROM public.event_survey_campaigns AS c
    WHERE c.id = NEW.campaign_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER event_survey_entries_set_client
    BEFORE INSERT ON public.event_survey_entries
    FOR EACH ROW EXECUTE FUNCTION public.event_survey_entries_set_client();

CREATE TABLE public.event_access_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    campaign_id uuid REFERENCES public.event_survey_campaigns (id) ON DELETE CASCADE,
    webinar_id uuid REFERENCES public.webinars (id) ON DELETE CASCADE,
    session_id text NOT NULL,
    entry_id uuid REFERENCES public.event_survey_entries (id) ON DELETE SET NULL,
    converted_at timestamptz,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    utm_term text,
    utm_content text,
    cid text,
    referrer text,
    user_agent text,
    marketing_campaign_link_id uuid REFERENCES public.campaign_link_meta (id) ON DELETE SET NULL,
    accessed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (campaign_id IS NOT NULL OR webinar_id IS NOT NULL)
);
CREATE INDEX event_access_logs_campaign_session_idx
    ON public.event_access_logs (campaign_id, session_id);
CREATE INDEX event_access_logs_campaign_accessed_idx
    ON public.event_access_logs (campaign_id, accessed_at);
CREATE INDEX event_access_logs_campaign_converted_idx
    ON public.event_access_logs (campaign_id, converted_at) WHERE converted_at IS NOT NULL;
CREATE INDEX event_access_logs_entry_idx
    ON public.event_access_logs (entry_id) WHERE entry_id IS NOT NULL;
CREATE INDEX event_access_logs_webinar_session_idx
    ON public.event_access_logs (webinar_id, session_id) WHERE webinar_id IS NOT NULL;
CREATE INDEX event_access_logs_webinar_accessed_idx
    ON public.event_access_logs (webinar_id, accessed_at) WHERE webinar_id IS NOT NULL;

CREATE TABLE public.registrations (
    webinar_id uuid NOT NULL REFERENCES public.webinars (id) ON DELETE CASCADE,
    user_id uuid NOT NULL,
    registration_data jsonb,
    marketing_campaign_link_id uuid,
    survey_no integer,
    code6 text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (webinar_id, user_id)
);
