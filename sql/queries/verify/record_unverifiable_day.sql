-- Records that a day cannot be verified, and why. The results of earlier verifications are deleted: the views may have
-- been wrong then, too. Parameters: bucket_date date; reason text.
WITH day AS (
    INSERT INTO eventflow_stats.days AS d (bucket_date, unverifiable_since, unverifiable_reason)
    VALUES (:bucket_date, now(), :reason)
    ON CONFLICT (bucket_date) DO UPDATE SET
        unverifiable_since = coalesce(d.unverifiable_since, now()),
        unverifiable_reason = excluded.unverifiable_reason,
        verified_at = NULL,
        verification_result = NULL
)
UPDATE eventflow_stats.client_days
SET verified_at = NULL, verified_snapshot = NULL
WHERE bucket_date = :bucket_date AND verified_at IS NOT NULL
