-- Links nine of ten entries of a sample to a visit of the same campaign and day.
-- Parameters: campaigns uuid[].
UPDATE public.event_access_logs AS named
SET entry_id = e.id
FROM (
    SELECT
        id, campaign_id, created_at,
        row_number() OVER (PARTITION BY campaign_id, date_trunc('day', created_at) ORDER BY id) AS place
    FROM public.event_survey_entries
    WHERE campaign_id = ANY(CAST(:campaigns AS uuid[]))
) AS e
JOIN (
    SELECT
        id, campaign_id, accessed_at,
        row_number() OVER (PARTITION BY campaign_id, date_trunc('day', accessed_at) ORDER BY id) AS place
    FROM public.event_access_logs
    WHERE campaign_id = ANY(CAST(:campaigns AS uuid[]))
) AS v
    ON v.campaign_id = e.campaign_id
    AND v.place = e.place
    AND date_trunc('day', v.accessed_at) = date_trunc('day', e.created_at)
WHERE named.id = v.id AND hashtext(CAST(e.id AS text)) % 10 <> 0
