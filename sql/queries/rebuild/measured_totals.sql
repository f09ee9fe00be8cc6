-- The totals of a day's measured groups, in one row: groups, visits, conversions, facts, facts without a client.
-- Reads measured_groups.
SELECT
    count(*) FILTER (WHERE client_id IS NOT NULL) AS groups,
    coalesce(CAST(sum(visits) FILTER (WHERE client_id IS NOT NULL) AS bigint), 0) AS visits,
    coalesce(CAST(sum(conversions) FILTER (WHERE client_id IS NOT NULL) AS bigint), 0) AS conversions,
    coalesce(CAST(sum(visit_facts + conversion_facts) AS bigint), 0) AS facts,
    coalesce(CAST(sum(visit_facts + conversion_facts) FILTER (WHERE client_id IS NULL) AS bigint), 0)
        AS unresolved_facts
FROM pg_temp.measured_groups
