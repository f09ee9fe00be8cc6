-- The result of each client-day of a day that has facts, rows or a ledger entry:
--   verified  rollup and facts are equal
--   stale     they differ because the facts changed since the client-day was computed, or because it was never computed
--   wrong     they differ although the facts have not changed
-- Parameters: bucket_date date; clients uuid[] or NULL for all.
-- Reads measured_groups and group_differences, fills client_day_results.
-- On a computed day, a client without a ledger entry was computed too: from no facts.
INSERT INTO pg_temp.client_day_results
SELECT
    client_id,
    CASE
        WHEN NOT differs THEN 'verified'
        WHEN (visit_facts, conversion_facts, fingerprint)
            IS DISTINCT FROM (computed_visit_facts, computed_conversion_facts, computed_fingerprint) THEN 'stale'
        ELSE 'wrong'
    END,
    visit_facts, conversion_facts, fingerprint
FROM (
    SELECT
        client_id,
        bool_or(differs) AS differs,
        coalesce(CAST(sum(visit_facts) AS bigint), 0) AS visit_facts,
        coalesce(CAST(sum(conversion_facts) AS bigint), 0) AS conversion_facts,
        coalesce(bit_xor(fingerprint), 0) AS fingerprint
    FROM (
        SELECT client_id, false AS differs, visit_facts, conversion_facts, fingerprint
        FROM pg_temp.measured_groups
        WHERE client_id IS NOT NULL
        UNION ALL
        SELECT client_id, true, NULL, NULL, NULL
        FROM pg_temp.group_differences
        UNION ALL
        SELECT client_id, false, NULL, NULL, NULL
        FROM eventflow_stats.client_days
        WHERE bucket_date = :bucket_date
            AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    ) AS seen
    GROUP BY client_id
) AS now_seen
LEFT JOIN (
    SELECT
        client_id,
        visit_facts AS computed_visit_facts,
        conversion_facts AS computed_conversion_facts,
        fingerprint AS computed_fingerprint
    FROM eventflow_stats.client_days
    WHERE bucket_date = :bucket_date AND computed_at IS NOT NULL
    UNION ALL
    SELECT f.client_id, 0, 0, 0
    FROM (SELECT DISTINCT client_id FROM pg_temp.group_differences) AS f
    WHERE EXISTS (
            SELECT FROM eventflow_stats.days AS d
            WHERE d.bucket_date = :bucket_date AND d.rebuilt_at IS NOT NULL
        )
        AND NOT EXISTS (
            SELECT FROM eventflow_stats.client_days AS s
            WHERE s.bucket_date = :bucket_date AND s.client_id = f.client_id AND s.computed_at IS NOT NULL
        )
) AS computed USING (client_id)
