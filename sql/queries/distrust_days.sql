-- Takes instants later than the server's clock out of the days: they count as unverified since the last trusted one.
-- Sealed days are distrust_sealed_days'.
-- Parameters: unverified_since timestamptz.
UPDATE eventflow_stats.days
SET
    covered_at = CASE WHEN covered_at > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE covered_at END,
    proved_at = CASE WHEN proved_at <= now() + interval '1 minute' THEN proved_at END,
    swept_at = CASE WHEN swept_at <= now() + interval '1 minute' THEN swept_at END,
    whole_proved_at = CASE WHEN whole_proved_at <= now() + interval '1 minute' THEN whole_proved_at END
WHERE sealed_at IS NULL AND greatest(covered_at, proved_at, swept_at, whole_proved_at) > now() + interval '1 minute'
