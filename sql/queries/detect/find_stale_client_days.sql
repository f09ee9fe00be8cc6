-- The client-days with facts that they were not computed from, among the facts ingested since an instant.
-- Parameters: since timestamptz; zone text, the bucket time zone; by_snapshot boolean; overlap interval.
-- Result: a row per client and day, with the number of such facts. Facts without a client are in no client-day.
-- A fact counts unless it was visible to the snapshot in which its client-day was computed. So the facts of a
-- transaction that started early and committed late are found, and a fact that is already counted makes nothing stale.
-- A snapshot lists no subtransactions (savepoints, exception blocks). A fact written by one looks visible while its
-- transaction, which began earlier, is still open. So a fact also counts when the snapshot saw an older transaction in
-- progress that has ended since. It is found once too often at most: the next snapshot does not have that transaction.
-- A snapshot ahead of this server's ids comes from another server, whose dump was restored here: it says nothing.
-- Where row versions mean nothing (ids per node), by_snapshot is false. A fact then counts unless it was ingested more
-- than the overlap before its client-day was computed.
-- Facts at infinity, or of days outside Python's dates, are left out: no partition will ever have them.
-- The zone is a parameter because a function that reads it would run once per fact.
SELECT f.client_id, f.bucket_date, count(*) AS facts
FROM (
    SELECT
        client_id, CAST(CAST(fact_version AS text) AS bigint) AS fact_version, ingested_at,
        CAST(event_at AT TIME ZONE CAST(:zone AS text) AS date) AS bucket_date
    FROM eventflow_stats.visit_facts
    WHERE ingested_at >= :since AND event_at >= '0001-01-02 00:00Z' AND event_at < '9999-12-31 00:00Z'
    UNION ALL
    SELECT
        client_id, CAST(CAST(fact_version AS text) AS bigint), ingested_at,
        CAST(event_at AT TIME ZONE CAST(:zone AS text) AS date)
    FROM eventflow_stats.conversion_facts
    WHERE ingested_at >= :since AND event_at >= '0001-01-02 00:00Z' AND event_at < '9999-12-31 00:00Z'
) AS f
CROSS JOIN (
    SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS next_id
) AS ids
CROSS JOIN LATERAL (
    SELECT eventflow_stats.full_transaction_id(f.fact_version, ids.next_id) AS id
) AS version
LEFT JOIN eventflow_stats.client_days AS s ON s.client_id = f.client_id AND s.bucket_date = f.bucket_date
WHERE f.client_id IS NOT NULL
    AND (
        s.computed_at IS NULL
        OR CASE
            WHEN NOT CAST(:by_snapshot AS boolean)
                THEN f.ingested_at >= least(s.computed_at, now()) - CAST(:overlap AS interval)
            WHEN pg_snapshot_xmax(s.computed_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) THEN true
            WHEN version.id < pg_snapshot_xmin(s.computed_snapshot) THEN false
            WHEN NOT pg_visible_in_snapshot(version.id, s.computed_snapshot) THEN true
            ELSE EXISTS (
                SELECT FROM pg_snapshot_xip(s.computed_snapshot) AS older
                WHERE older < version.id AND pg_visible_in_snapshot(older, pg_current_snapshot())
            )
        END
    )
GROUP BY f.client_id, f.bucket_date
ORDER BY f.bucket_date, f.client_id
