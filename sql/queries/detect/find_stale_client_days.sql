-- The client-days with facts that they were not computed from, among the facts ingested since an instant.
-- Parameters: since timestamptz; zone text, the bucket time zone; by_snapshot boolean; overlap interval.
-- Result: a row per client and day, with how many such facts it has. Facts of no client are in no client-day.
-- A candidate counts unless it was visible to the snapshot its client-day was computed in: so a transaction
-- that started early and committed late is found, and a fact already counted dirties nothing.
-- A snapshot names no subtransaction (savepoint, exception block): a fact that one wrote looks visible while its
-- transaction, begun before it, is still open. So it also counts when the snapshot saw an older transaction in
-- progress that has ended since: once too often at the most, since the next snapshot no longer sees it.
-- A snapshot ahead of this server's ids was taken on another, before a dump was restored here: it tells nothing.
-- Where row versions mean nothing (ids per node), by_snapshot is false: a candidate counts unless it was
-- ingested longer than the overlap before its client-day was computed.
-- A fact infinitely far away, or of a day that no date of Python's can name, has no partition for ever: left out.
-- The zone is a parameter because a function that looked it up would run once per fact.
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
    SELECT eventflow_stats.widened(f.fact_version, ids.next_id) AS id
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
