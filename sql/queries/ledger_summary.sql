-- What the ledger knows of its days, in one row: coverage, proof, the days that are unverifiable and why the newest of
-- them is, facts of no client. A sealed day counts as proved, unless its rows were edited, and as sealed; a held day as
-- held alone.
-- Parameters: first_day date, the first partition: no command may touch an earlier day, so none is counted.
-- A refresh recomputes scopes and leaves the day's own times as they were: one scope without proof, and the day has none.
SELECT
    count(*) FILTER (WHERE covered_at IS NOT NULL) AS covered_days,
    min(bucket_date) FILTER (WHERE covered_at IS NOT NULL) AS first_covered_day,
    max(bucket_date) FILTER (WHERE covered_at IS NOT NULL) AS last_covered_day,
    max(covered_at) AS computed_through,
    count(*) FILTER (
        WHERE proof_result = 'proved' AND proved_at >= covered_at AND NOT reopened AND NOT held AND seal_broken_at IS NULL
    ) AS proved_days,
    count(*) FILTER (
        WHERE proof_result = 'wrong' AND proved_at >= coalesce(covered_at, proved_at) OR seal_broken_at IS NOT NULL
    ) AS wrong_days,
    count(*) FILTER (
        WHERE proof_result = 'stale' AND proved_at >= coalesce(covered_at, proved_at) AND NOT held
    ) AS stale_days,
    count(*) FILTER (WHERE held) AS held_days,
    count(*) FILTER (WHERE sealed_at IS NOT NULL) AS sealed_days,
    count(*) FILTER (
        WHERE covered_at IS NOT NULL AND NOT held
            AND (proved_at IS NULL OR proved_at < covered_at OR (proof_result = 'proved' AND reopened))
    ) AS unproved_days,
    count(*) FILTER (WHERE unverifiable_since IS NOT NULL) AS unverifiable_days,
    max(bucket_date || ': ' || unverifiable_reason) FILTER (WHERE unverifiable_since IS NOT NULL) AS unverifiable_reason,
    coalesce(CAST(sum(unresolved_facts) AS bigint), 0) AS unresolved_facts
FROM (
    SELECT *, held_at IS NOT NULL AS held, bucket_date IN (
        SELECT bucket_date FROM eventflow_stats.scopes WHERE proved_at IS NULL
    ) AS reopened
    FROM eventflow_stats.days
    WHERE bucket_date >= :first_day
) AS d
