-- Corrects the times of sealed days and their client-days that are later than the server's clock. A sealed day is not
-- computed or verified again, so such a time becomes now. The time of sealing is unknown then, and becomes the last
-- trusted time: facts that arrived after it are reported as late. Parameters: unverified_since timestamptz.
WITH days AS (
    UPDATE eventflow_stats.days
    SET
        rebuilt_at = least(rebuilt_at, now()), verified_at = least(verified_at, now()), swept_at = least(swept_at, now()),
        whole_verified_at = least(whole_verified_at, now()),
        sealed_at = CASE
            WHEN sealed_at > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE sealed_at
        END,
        seal_checked_at = NULL, seal_broken_at = least(seal_broken_at, now())
    WHERE sealed_at IS NOT NULL
        AND greatest(rebuilt_at, verified_at, swept_at, whole_verified_at, sealed_at, seal_checked_at, seal_broken_at)
            > now() + interval '1 minute'
)
UPDATE eventflow_stats.client_days AS s
SET computed_at = least(computed_at, now()), verified_at = least(verified_at, now())
WHERE greatest(computed_at, verified_at) > now() + interval '1 minute'
    AND bucket_date IN (SELECT bucket_date FROM eventflow_stats.days WHERE sealed_at IS NOT NULL)
