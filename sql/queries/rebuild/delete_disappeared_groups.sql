-- Deletes the rollup rows of one day whose group has no facts any more.
-- Parameters: bucket_date date; clients uuid[] or NULL for all. Reads measured_groups.
-- Joined by the derived id: comparing nullable keys by IS NOT DISTINCT FROM alone would take quadratic time.
DELETE FROM public.marketing_stats_daily AS m
WHERE m.bucket_date = :bucket_date
    AND (CAST(:clients AS uuid[]) IS NULL OR m.client_id = ANY (CAST(:clients AS uuid[])))
    AND NOT EXISTS (
        SELECT FROM pg_temp.measured_groups AS g
        WHERE g.id = m.id
            AND g.client_id = m.client_id
            AND g.campaign_id IS NOT DISTINCT FROM m.campaign_id
            AND g.link_id IS NOT DISTINCT FROM m.marketing_campaign_link_id
            AND g.utm_source IS NOT DISTINCT FROM m.utm_source
            AND g.utm_medium IS NOT DISTINCT FROM m.utm_medium
            AND g.utm_campaign IS NOT DISTINCT FROM m.utm_campaign
    )
