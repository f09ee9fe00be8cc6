-- Takes instants later than the server's clock out of sealed days and their clients' days. These cannot be computed or
-- verified again: such an instant becomes now. Parameters: none.
WITH days AS (
    UPDATE eventflow_stats.days
    SET
        covered_at = least(covered_at, now()), proved_at = least(proved_at, now()), swept_at = least(swept_at, now()),
        whole_proved_at = least(whole_proved_at, now()), sealed_at = least(sealed_at, now()),
        seal_checked_at = NULL, seal_broken_at = least(seal_broken_at, now())
    WHERE sealed_at IS NOT NULL
        AND greatest(covered_at, proved_at, swept_at, whole_proved_at, sealed_at, seal_checked_at, seal_broken_at)
            > now() + interval '1 minute'
)
UPDATE eventflow_stats.scopes AS s
SET computed_at = least(computed_at, now()), proved_at = least(proved_at, now())
WHERE greatest(computed_at, proved_at) > now() + interval '1 minute'
    AND bucket_date IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
