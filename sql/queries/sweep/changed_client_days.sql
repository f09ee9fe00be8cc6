-- The clients of a day whose facts differ from those their client-day was computed from: changed, deleted or new ones.
-- Also a client-day that was never computed. Client-days that are already stale are left out.
-- Parameters: bucket_date date; window_start, window_end timestamptz.
-- Result: a row per client; and always one with NULL client_id, with the number of facts without a client, and of the
-- visit_facts and conversion_facts of all clients.
WITH now_there AS (
    SELECT
        client_id,
        CAST(sum(visit_facts) AS bigint) AS visit_facts,
        CAST(sum(conversion_facts) AS bigint) AS conversion_facts,
        bit_xor(fingerprint) AS fingerprint
    FROM (
        SELECT
            client_id, count(*) AS visit_facts, 0 AS conversion_facts,
            bit_xor(eventflow_stats.fact_hash(fact_id, fact_version, link_id)) AS fingerprint
        FROM eventflow_stats.visit_facts
        WHERE event_at >= :window_start AND event_at < :window_end
        GROUP BY client_id
        UNION ALL
        SELECT
            client_id, 0, count(*),
            bit_xor(eventflow_stats.fact_hash(fact_id, fact_version, link_id))
        FROM eventflow_stats.conversion_facts
        WHERE event_at >= :window_start AND event_at < :window_end
        GROUP BY client_id
    ) AS facts
    GROUP BY client_id
)
SELECT
    client_id, f.visit_facts + f.conversion_facts AS facts,
    CAST(NULL AS bigint) AS visit_facts, CAST(NULL AS bigint) AS conversion_facts
FROM (SELECT * FROM now_there WHERE client_id IS NOT NULL) AS f
FULL JOIN (
    SELECT client_id, visit_facts, conversion_facts, fingerprint, computed_at, stale_since
    FROM eventflow_stats.client_days
    WHERE bucket_date = :bucket_date
) AS s USING (client_id)
WHERE s.stale_since IS NULL
    AND (coalesce(f.visit_facts, 0), coalesce(f.conversion_facts, 0), coalesce(f.fingerprint, 0))
        IS DISTINCT FROM (s.visit_facts, s.conversion_facts, s.fingerprint)
UNION ALL
SELECT
    NULL,
    coalesce(CAST(sum(visit_facts + conversion_facts) FILTER (WHERE client_id IS NULL) AS bigint), 0),
    coalesce(CAST(sum(visit_facts) FILTER (WHERE client_id IS NOT NULL) AS bigint), 0),
    coalesce(CAST(sum(conversion_facts) FILTER (WHERE client_id IS NOT NULL) AS bigint), 0)
FROM now_there
