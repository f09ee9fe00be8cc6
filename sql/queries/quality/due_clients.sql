-- What has to be computed of one day's data quality: the whole day, or which clients; the facts of these clients when
-- they were last computed, and the facts of the whole day. The rule is in due_days. Parameters: bucket_date date.
SELECT
    q.computed_at IS NULL OR coalesce(d.whole_verified_at > q.computed_at, false) AS whole,
    coalesce(s.clients, '{}') AS clients,
    coalesce(s.facts_to_read, 0) AS facts_to_read,
    coalesce(s.facts, 0) AS facts
FROM (SELECT CAST(:bucket_date AS date) AS bucket_date) AS day
LEFT JOIN eventflow_stats.quality_days AS q USING (bucket_date)
LEFT JOIN eventflow_stats.days AS d USING (bucket_date)
CROSS JOIN LATERAL (
    SELECT
        array_agg(client_id) FILTER (WHERE computed_at > q.computed_at) AS clients,
        CAST(sum(visit_facts + conversion_facts) FILTER (WHERE computed_at > q.computed_at) AS bigint) AS facts_to_read,
        CAST(sum(visit_facts + conversion_facts) AS bigint) AS facts
    FROM eventflow_stats.client_days
    WHERE client_days.bucket_date = CAST(:bucket_date AS date)
) AS s
