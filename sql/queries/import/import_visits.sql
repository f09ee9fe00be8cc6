-- Adds staged rows as visits. A row imported before stays as it is.
-- Parameters: client_id uuid. Reads staged_visits.
-- The id is derived from the row's content and, among equal rows, its number. So the same file again adds nothing, and
-- equal page views of one file stay separate facts.
INSERT INTO public.event_access_logs (
    id, campaign_id, session_id, utm_source, utm_medium, utm_campaign, utm_term, utm_content, cid, referrer,
    accessed_at
)
SELECT
    CAST(md5(CAST(ROW(campaign_id, content, copy_no) AS text)) AS uuid),
    campaign_id, session_id, utm_source, utm_medium, utm_campaign, utm_term, utm_content, cid, referrer,
    accessed_at
FROM (
    SELECT *, row_number() OVER (PARTITION BY campaign_id, content ORDER BY line) AS copy_no
    FROM (
        SELECT
            v.*, c.id AS campaign_id,
            CAST(ROW(
                v.session_id, extract(epoch FROM v.accessed_at), v.utm_source, v.utm_medium, v.utm_campaign,
                v.utm_term, v.utm_content, v.cid, v.referrer
            ) AS text) AS content
        FROM pg_temp.staged_visits AS v
        JOIN public.event_survey_campaigns AS c
            ON c.client_id = CAST(:client_id AS uuid) AND c.public_path = v.campaign
    ) AS with_content
) AS counted
ON CONFLICT (id) DO NOTHING
