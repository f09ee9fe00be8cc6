-- Adds staged rows as entries, numbered after the last one of the campaign. An entry imported before stays as it is.
-- Parameters: client_id uuid. Reads staged_conversions.
-- No personal data: the columns for it hold the entry's own id.
INSERT INTO public.event_survey_entries (
    id, campaign_id, client_id, phone_norm, survey_no, code6,
    utm_source, utm_medium, utm_campaign, utm_term, utm_content, registration_data, created_at, completed_at
)
SELECT
    n.id, n.campaign_id, CAST(:client_id AS uuid), 'import:' || n.entry_id,
    n.last_no + row_number() OVER of_campaign,
    -- lpad() would cut the millionth number to six digits, which another entry already has.
    to_char(n.last_no + row_number() OVER of_campaign, 'FM999999000000'),
    n.utm_source, n.utm_medium, n.utm_campaign, n.utm_term, n.utm_content,
    CASE WHEN n.cid IS NOT NULL THEN jsonb_build_object('cid', n.cid) END,
    n.created_at, n.created_at
FROM (
    SELECT
        s.*, c.id AS campaign_id,
        CAST(md5(CAST(ROW(c.id, s.entry_id) AS text)) AS uuid) AS id,
        coalesce(
            (SELECT max(e.survey_no) FROM public.event_survey_entries AS e WHERE e.campaign_id = c.id), 0
        ) AS last_no
    FROM pg_temp.staged_conversions AS s
    JOIN public.event_survey_campaigns AS c
        ON c.client_id = CAST(:client_id AS uuid) AND c.public_path = s.campaign
) AS n
WHERE NOT EXISTS (SELECT FROM public.event_survey_entries AS e WHERE e.id = n.id)
WINDOW of_campaign AS (PARTITION BY n.campaign_id ORDER BY n.line)
