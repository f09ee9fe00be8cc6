-- Takes instants later than the server's clock out of sealed days and their clients' days. These cannot be computed or
-- verified again: such an instant becomes now. When such a day was sealed is not known: not before the last instant
-- that can be trusted, so that facts which arrived since are told as late. Parameters: unverified_since timestamptz.
WITH days AS (
    UPDATE eventflow_stats.days
    SET
        covered_at = least(covered_at, now()), proved_at = least(proved_at, now()), swept_at = least(swept_at, now()),
        whole_proved_at = least(whole_proved_at, now()),
        sealed_at = CASE
            WHEN sealed_at > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE sealed_at
        END,
        seal_checked_at = NULL, seal_broken_at = least(seal_broken_at, now())
    WHERE sealed_at IS NOT NULL
        AND greatest(covered_at, proved_at, swept_at, whole_proved_at, sealed_at, seal_checked_at, seal_broken_at)
            > now() + interval '1 minute'
)
UPDATE eventflow_stats.scopes AS s
SET computed_at = least(computed_at, now()), proved_at = least(proved_at, now())
WHERE greatest(computed_at, proved_at) > now() + interval '1 minute'
    AND bucket_date IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
