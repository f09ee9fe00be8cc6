-- Records that the day's client-days were computed from exactly the measured facts.
-- Parameters: bucket_date date; clients uuid[] or NULL for all. Reads measured_groups.
-- Clients that are named or already recorded are recorded even without facts.
INSERT INTO eventflow_stats.client_days AS s (
    client_id, bucket_date, computed_at, computed_snapshot, visit_facts, conversion_facts, fingerprint
)
SELECT
    client_id, CAST(:bucket_date AS date), now(), pg_current_snapshot(),
    CAST(sum(visit_facts) AS bigint), CAST(sum(conversion_facts) AS bigint), bit_xor(fingerprint)
FROM (
    SELECT client_id, visit_facts, conversion_facts, fingerprint
    FROM pg_temp.measured_groups
    WHERE client_id IS NOT NULL
    UNION ALL
    SELECT client_id, 0, 0, 0
    FROM eventflow_stats.client_days
    WHERE bucket_date = :bucket_date
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    UNION ALL
    SELECT unnest(CAST(:clients AS uuid[])), 0, 0, 0
) AS facts
GROUP BY client_id
ON CONFLICT (client_id, bucket_date) DO UPDATE SET
    computed_at = excluded.computed_at,
    computed_snapshot = excluded.computed_snapshot,
    visit_facts = excluded.visit_facts,
    conversion_facts = excluded.conversion_facts,
    fingerprint = excluded.fingerprint,
    verified_at = NULL,
    verified_snapshot = NULL,
    stale_since = NULL,
    stale_from = NULL,
    stale_reason = NULL
