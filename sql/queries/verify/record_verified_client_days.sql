-- Records which client-days of a day were verified in this snapshot. A verified client-day equals these facts, so it is
-- recorded as computed from them: otherwise a fact that changed without changing a number would make a later error look
-- like changed facts. Parameters: bucket_date date. Reads client_day_results.
UPDATE eventflow_stats.client_days AS s
SET
    verified_at = now(),
    verified_snapshot = pg_current_snapshot(),
    computed_snapshot = CASE WHEN s.computed_at IS NOT NULL THEN pg_current_snapshot() END,
    visit_facts = v.visit_facts,
    conversion_facts = v.conversion_facts,
    fingerprint = v.fingerprint,
    stale_since = CASE WHEN s.computed_at IS NULL THEN s.stale_since END,
    stale_from = CASE WHEN s.computed_at IS NULL THEN s.stale_from END,
    stale_reason = CASE WHEN s.computed_at IS NULL THEN s.stale_reason END
FROM pg_temp.client_day_results AS v
WHERE v.result = 'verified' AND s.client_id = v.client_id AND s.bucket_date = :bucket_date
