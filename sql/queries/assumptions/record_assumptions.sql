-- Writes down why nothing can be verified, and since when; or that all assumptions hold again.
-- Parameters: reason text, NULL when all hold. Nothing is written where nothing changed.
UPDATE eventflow_stats.progress
SET
    unverifiable_since = CASE WHEN CAST(:reason AS text) IS NOT NULL THEN coalesce(unverifiable_since, now()) END,
    unverifiable_reason = CAST(:reason AS text)
WHERE unverifiable_reason IS DISTINCT FROM CAST(:reason AS text)
