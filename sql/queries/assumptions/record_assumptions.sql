-- Records since when and why nothing can be verified, or that all assumptions hold again.
-- Parameters: reason text, NULL when all hold. Writes only a change.
UPDATE eventflow_stats.progress
SET
    unverifiable_since = CASE WHEN CAST(:reason AS text) IS NOT NULL THEN coalesce(unverifiable_since, now()) END,
    unverifiable_reason = CAST(:reason AS text)
WHERE unverifiable_reason IS DISTINCT FROM CAST(:reason AS text)
