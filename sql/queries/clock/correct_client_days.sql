-- Corrects the times of client-days that are later than the server's clock: these count as unverified since the last
-- trusted time.
-- Parameters: unverified_since timestamptz.
UPDATE eventflow_stats.client_days
SET
    computed_at = CASE
        WHEN computed_at > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE computed_at
    END,
    verified_at = CASE WHEN verified_at <= now() + interval '1 minute' THEN verified_at END,
    verified_snapshot = CASE WHEN verified_at <= now() + interval '1 minute' THEN verified_snapshot END,
    stale_since = CASE WHEN stale_since > now() + interval '1 minute' THEN now() ELSE stale_since END,
    stale_from = CASE
        WHEN stale_from > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE stale_from
    END
WHERE greatest(computed_at, verified_at, stale_since, stale_from) > now() + interval '1 minute'
