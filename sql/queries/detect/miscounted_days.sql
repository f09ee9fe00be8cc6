-- The computed days for which the product's tables hold another number of facts than is known: the facts that the
-- client-days were computed from, those without a client, and those that this detection found in the same snapshot.
-- Parameters: days date[]; found_days date[] and found_facts bigint[], side by side: what this detection found.
SELECT d.bucket_date
FROM eventflow_stats.days AS d
LEFT JOIN unnest(CAST(:found_days AS date[]), CAST(:found_facts AS bigint[])) AS found (bucket_date, facts)
    ON found.bucket_date = d.bucket_date
CROSS JOIN LATERAL eventflow_stats.count_facts(
    eventflow_stats.day_start(d.bucket_date), eventflow_stats.day_start(d.bucket_date + 1)
) AS there
WHERE d.bucket_date = ANY (CAST(:days AS date[]))
    AND d.rebuilt_at IS NOT NULL
    AND there.visits + there.entries <> d.unresolved_facts + coalesce(found.facts, 0) + (
        SELECT coalesce(sum(s.visit_facts + s.conversion_facts), 0)
        FROM eventflow_stats.client_days AS s
        WHERE s.bucket_date = d.bucket_date
    )
ORDER BY d.bucket_date
