-- Takes instants later than the server's clock out of the client-days: they count as unverified since the last trusted
-- one. Parameters: unverified_since timestamptz.
UPDATE eventflow_stats.scopes
SET
    computed_at = CASE
        WHEN computed_at > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE computed_at
    END,
    proved_at = CASE WHEN proved_at <= now() + interval '1 minute' THEN proved_at END,
    proved_snapshot = CASE WHEN proved_at <= now() + interval '1 minute' THEN proved_snapshot END,
    dirty_since = CASE WHEN dirty_since > now() + interval '1 minute' THEN now() ELSE dirty_since END,
    dirty_from = CASE
        WHEN dirty_from > now() + interval '1 minute' THEN CAST(:unverified_since AS timestamptz) ELSE dirty_from
    END
WHERE greatest(computed_at, proved_at, dirty_since, dirty_from) > now() + interval '1 minute'
