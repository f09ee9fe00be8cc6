-- Writes to the ledger which scopes of a day were proved in this snapshot.
-- Parameters: bucket_date date. Reads scope_verdicts.
UPDATE eventflow_stats.scopes AS s
SET proved_at = now(), proved_snapshot = pg_current_snapshot()
FROM pg_temp.scope_verdicts AS v
WHERE v.verdict = 'proved' AND s.client_id = v.client_id AND s.bucket_date = :bucket_date
