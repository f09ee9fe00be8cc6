-- Creates the campaigns that staged rows name and the client does not have yet.
-- Parameters: client_id, created_by uuid. Reads staged_visits and staged_conversions.
INSERT INTO public.event_survey_campaigns (client_id, title, public_path, status, created_by)
SELECT CAST(:client_id AS uuid), campaign, campaign, 'published', CAST(:created_by AS uuid)
FROM (
    SELECT campaign FROM pg_temp.staged_visits UNION SELECT campaign FROM pg_temp.staged_conversions
) AS named
ON CONFLICT (client_id, public_path) DO NOTHING
