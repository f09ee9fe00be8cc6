-- The client-days checked against the goals of data quality, those that miss a goal first: the facts that count, out of
-- how many, and the rate. A client-day with fewer facts of the kind (entries, where only entries count) is not checked.
-- Parameters: days date[]; min_linkage_rate, min_utm_fill_rate, max_unknown_rate, min_tracking_success_rate numeric,
-- percent; min_facts bigint; most bigint, rows of each goal.
-- Result: checked and missed_client_days count all client-days of the goal, also those that most leaves out.
SELECT
    goal, client_id, coalesce(n.name, CAST(client_id AS text)) AS client_name, bucket_date, part, whole, rate, missed,
    checked, missed_client_days
FROM (
    SELECT
        *,
        count(*) OVER (PARTITION BY goal) AS checked,
        count(*) FILTER (WHERE missed) OVER (PARTITION BY goal) AS missed_client_days,
        row_number() OVER (PARTITION BY goal ORDER BY missed DESC, bucket_date DESC, whole DESC, client_id) AS place
    FROM (
        SELECT
            q.client_id, q.bucket_date, goals.goal, goals.part, goals.whole, goals.rate,
            -- By the counts: 69.996 percent is shown as 70.00, and misses a goal of 70.
            coalesce(100.0 * goals.part < goals.least * goals.whole, false)
            OR coalesce(100.0 * goals.part > goals.most * goals.whole, false) AS missed
        FROM eventflow_stats.marketing_data_quality_daily AS q
        CROSS JOIN LATERAL (
            VALUES
            ('linkage_rate', q.linked_entries, q.entries, q.linkage_rate, CAST(:min_linkage_rate AS numeric), NULL),
            (
                'utm_fill_rate', q.visit_facts_with_utm + q.entries_with_utm, q.visit_facts + q.entries,
                q.utm_fill_rate, CAST(:min_utm_fill_rate AS numeric), NULL
            ),
            (
                'unknown_rate', q.unknown_facts, q.visit_facts + q.entries, q.unknown_rate,
                NULL, CAST(:max_unknown_rate AS numeric)
            ),
            (
                'tracking_success_rate', q.tracked_entries, q.entries, q.tracking_success_rate,
                CAST(:min_tracking_success_rate AS numeric), NULL
            )
        ) AS goals (goal, part, whole, rate, least, most)
        WHERE q.bucket_date = ANY (CAST(:days AS date[])) AND goals.whole >= greatest(:min_facts, 1)
    ) AS goal_results
) AS ranked
LEFT JOIN eventflow_stats.client_names AS n USING (client_id)
WHERE place <= :most
ORDER BY goal, place
