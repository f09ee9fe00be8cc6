-- The ledger's record of one day before it is computed or verified: its facts, and whether it is held or sealed.
-- Parameters: bucket_date date; clients uuid[] or NULL. Result: one row.
--   most_*     the most facts with a client that it had since disappeared facts were last accepted
--   others_*   facts of the clients that are not in clients, when last computed; 0 where clients is NULL
SELECT
    greatest(coalesce(d.most_visit_facts, 0), s.visit_facts) AS most_visits,
    greatest(coalesce(d.most_conversion_facts, 0), s.conversion_facts) AS most_conversions,
    s.others_visits,
    s.others_conversions,
    d.held_at, d.held_visit_facts, d.held_conversion_facts,
    d.sealed_at, d.whole_verified_at, d.sealed_groups, d.sealed_visits, d.sealed_conversions, d.sealed_checksum,
    d.seal_broken_at, coalesce(d.late_facts, 0) AS late_facts
FROM (
    SELECT
        coalesce(CAST(sum(visit_facts) AS bigint), 0) AS visit_facts,
        coalesce(CAST(sum(conversion_facts) AS bigint), 0) AS conversion_facts,
        coalesce(CAST(sum(visit_facts) FILTER (WHERE client_id <> ALL (CAST(:clients AS uuid[]))) AS bigint), 0)
            AS others_visits,
        coalesce(CAST(sum(conversion_facts) FILTER (WHERE client_id <> ALL (CAST(:clients AS uuid[]))) AS bigint), 0)
            AS others_conversions
    FROM eventflow_stats.client_days
    WHERE bucket_date = CAST(:bucket_date AS date)
) AS s
LEFT JOIN eventflow_stats.days AS d ON d.bucket_date = CAST(:bucket_date AS date)
