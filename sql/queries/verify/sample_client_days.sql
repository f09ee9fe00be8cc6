-- A random sample of the computed client-days, the same for the same seed and ledger: at most ``most``, with at most
-- ``facts`` facts in all, but always one. Left out: stale client-days, which are known not to be right yet, and those
-- of held and sealed days, which are not compared with facts. Parameters: seed, most, facts bigint. Result: a row per
-- client-day, by day.
SELECT bucket_date, client_id
FROM (
    SELECT
        bucket_date, client_id,
        row_number() OVER drawn AS place,
        sum(visit_facts + conversion_facts) OVER drawn AS facts_so_far
    FROM (
        SELECT
            bucket_date, client_id, visit_facts, conversion_facts,
            uuid_hash_extended(client_id, hashint4extended(bucket_date - date '1970-01-01', :seed)) AS lot
        FROM eventflow_stats.client_days
        WHERE computed_at IS NOT NULL AND stale_since IS NULL
            AND bucket_date NOT IN (
                SELECT bucket_date FROM eventflow_stats.days WHERE held_at IS NOT NULL OR sealed_at IS NOT NULL
            )
        ORDER BY lot, bucket_date, client_id
        LIMIT :most
    ) AS lots
    WINDOW drawn AS (ORDER BY lot, bucket_date, client_id)
) AS places
WHERE place = 1 OR facts_so_far <= :facts
ORDER BY bucket_date, client_id
