-- Closes the open discrepancies of a day that this verification did not find again.
-- Parameters: bucket_date date; clients uuid[] or NULL for all. Reads group_differences.
UPDATE eventflow_stats.discrepancies AS known
SET repaired_at = now(), repaired_by = 'found equal by a verification'
WHERE known.repaired_at IS NULL
    AND known.bucket_date = :bucket_date
    AND (CAST(:clients AS uuid[]) IS NULL OR known.client_id = ANY (CAST(:clients AS uuid[])))
    -- By the id of the group: comparing nullable keys by IS NOT DISTINCT FROM would take quadratic time.
    AND NOT EXISTS (
        SELECT FROM pg_temp.group_differences AS d
        WHERE eventflow_stats.group_id(
            d.client_id, CAST(:bucket_date AS date), d.campaign_id, d.link_id,
            d.utm_source, d.utm_medium, d.utm_campaign
        ) = eventflow_stats.group_id(
            known.client_id, known.bucket_date, known.campaign_id, known.marketing_campaign_link_id,
            known.utm_source, known.utm_medium, known.utm_campaign
        )
    )
