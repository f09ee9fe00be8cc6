-- Corrects the times of detection and ticks that are later than the server's clock. Parameters: trusted_at timestamptz
-- or NULL.
UPDATE eventflow_stats.progress
SET
    detected_at = CASE WHEN detected_at > now() + interval '1 minute' THEN CAST(:trusted_at AS timestamptz) ELSE detected_at END,
    detected_before = CASE WHEN detected_before <= now() + interval '1 minute' THEN detected_before END,
    row_changes_at = CASE WHEN row_changes_at > now() + interval '1 minute' THEN now() ELSE row_changes_at END,
    ticked_at = CASE WHEN ticked_at > now() + interval '1 minute' THEN now() ELSE ticked_at END,
    unverifiable_since = CASE
        WHEN unverifiable_since > now() + interval '1 minute' THEN now() ELSE unverifiable_since
    END
