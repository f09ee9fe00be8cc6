-- The days of the ledger in one row: computed, verified, unverifiable and the reason of the newest of these, facts
-- without a client. A sealed day counts as sealed and also as verified, unless its rows were edited; a held day counts
-- as held alone.
-- Parameters: first_day date, the first partition: earlier days are not counted, because no command may change them.
-- A refresh recomputes client-days and does not change the day's own times: if one client-day is unverified, so is the
-- day.
SELECT
    count(*) FILTER (WHERE rebuilt_at IS NOT NULL) AS computed_days,
    min(bucket_date) FILTER (WHERE rebuilt_at IS NOT NULL) AS first_computed_day,
    max(bucket_date) FILTER (WHERE rebuilt_at IS NOT NULL) AS last_computed_day,
    max(rebuilt_at) AS computed_through,
    count(*) FILTER (
        WHERE verification_result = 'verified' AND verified_at >= rebuilt_at AND NOT reopened AND NOT held AND seal_broken_at IS NULL
    ) AS verified_days,
    count(*) FILTER (
        WHERE verification_result = 'wrong' AND verified_at >= coalesce(rebuilt_at, verified_at) OR seal_broken_at IS NOT NULL
    ) AS wrong_days,
    count(*) FILTER (
        WHERE verification_result = 'stale' AND verified_at >= coalesce(rebuilt_at, verified_at) AND NOT held
    ) AS stale_days,
    count(*) FILTER (WHERE held) AS held_days,
    count(*) FILTER (WHERE sealed_at IS NOT NULL) AS sealed_days,
    count(*) FILTER (
        WHERE rebuilt_at IS NOT NULL AND NOT held
            AND (verified_at IS NULL OR verified_at < rebuilt_at OR (verification_result = 'verified' AND reopened))
    ) AS unverified_days,
    count(*) FILTER (WHERE unverifiable_since IS NOT NULL) AS unverifiable_days,
    max(bucket_date || ': ' || unverifiable_reason) FILTER (WHERE unverifiable_since IS NOT NULL) AS unverifiable_reason,
    coalesce(CAST(sum(unresolved_facts) AS bigint), 0) AS unresolved_facts
FROM (
    SELECT *, held_at IS NOT NULL AS held, bucket_date IN (
        SELECT bucket_date FROM eventflow_stats.client_days WHERE verified_at IS NULL
    ) AS reopened
    FROM eventflow_stats.days
    WHERE bucket_date >= :first_day
) AS d
