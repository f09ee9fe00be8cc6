-- Records how many facts of a sealed day arrived after it was sealed. The number never gets smaller, so facts that are
-- purged later stay counted. Parameters: bucket_date date; window_start, window_end timestamptz; by_snapshot boolean
-- and overlap interval as in find_stale_client_days. Writes only a larger number.
UPDATE eventflow_stats.days AS d
SET late_facts = late.facts, late_facts_at = now()
FROM (
    SELECT count(*) AS facts
    FROM (
        SELECT client_id, CAST(CAST(fact_version AS text) AS bigint) AS fact_version, ingested_at
        FROM eventflow_stats.visit_facts
        WHERE event_at >= :window_start AND event_at < :window_end
        UNION ALL
        SELECT client_id, CAST(CAST(fact_version AS text) AS bigint), ingested_at
        FROM eventflow_stats.conversion_facts
        WHERE event_at >= :window_start AND event_at < :window_end
    ) AS f
    CROSS JOIN (
        SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS next_id
    ) AS ids
    CROSS JOIN (
        SELECT sealed_at, sealed_snapshot FROM eventflow_stats.days WHERE bucket_date = CAST(:bucket_date AS date)
    ) AS seal
    WHERE f.client_id IS NOT NULL
        AND CASE
            WHEN CAST(:by_snapshot AS boolean) THEN
                f.ingested_at >= seal.sealed_at - CAST(:overlap AS interval)
                AND NOT pg_visible_in_snapshot(
                    eventflow_stats.full_transaction_id(f.fact_version, ids.next_id), seal.sealed_snapshot
                )
            ELSE f.ingested_at > seal.sealed_at
        END
) AS late
WHERE d.bucket_date = CAST(:bucket_date AS date) AND d.sealed_at IS NOT NULL AND late.facts > d.late_facts
