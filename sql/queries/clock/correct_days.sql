-- Corrects the times of days that are later than the server's clock: these count as unverified since the last trusted
-- time. Sealed days are corrected by correct_sealed_days. Parameters: unverified_since timestamptz.
UPDATE eventflow_stats.days
SET
    rebuilt_at = CASE WHEN rebuilt_at > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE rebuilt_at END,
    verified_at = CASE WHEN verified_at <= now() + interval '1 minute' THEN verified_at END,
    swept_at = CASE WHEN swept_at <= now() + interval '1 minute' THEN swept_at END,
    whole_verified_at = CASE WHEN whole_verified_at <= now() + interval '1 minute' THEN whole_verified_at END
WHERE sealed_at IS NULL AND greatest(rebuilt_at, verified_at, swept_at, whole_verified_at) > now() + interval '1 minute'
