-- Writes to the ledger which scopes of a day were proved in this snapshot. What is proved is what these
-- facts give, so it counts as computed from them: a fact that changed without changing a number must not make
-- a later error look like moved facts. Parameters: bucket_date date. Reads scope_verdicts.
UPDATE eventflow_stats.scopes AS s
SET
    proved_at = now(),
    proved_snapshot = pg_current_snapshot(),
    computed_snapshot = CASE WHEN s.computed_at IS NOT NULL THEN pg_current_snapshot() END,
    visit_facts = v.visit_facts,
    conversion_facts = v.conversion_facts,
    fingerprint = v.fingerprint,
    dirty_since = CASE WHEN s.computed_at IS NULL THEN s.dirty_since END,
    dirty_from = CASE WHEN s.computed_at IS NULL THEN s.dirty_from END,
    dirty_reason = CASE WHEN s.computed_at IS NULL THEN s.dirty_reason END
FROM pg_temp.scope_verdicts AS v
WHERE v.verdict = 'proved' AND s.client_id = v.client_id AND s.bucket_date = :bucket_date
