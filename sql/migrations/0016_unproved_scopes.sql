-- A scope computed anew has no proof until it is proved again, whatever two clocks say: no time of proof, then.
UPDATE eventflow_stats.scopes SET proved_at = NULL, proved_snapshot = NULL WHERE proved_at < computed_at;
CREATE INDEX IF NOT EXISTS scopes_unproved_idx ON eventflow_stats.scopes (bucket_date) WHERE proved_at IS NULL;
COMMENT ON COLUMN eventflow_stats.scopes.proved_at IS
    'When it was last proved; NULL: not since it was computed, or never.';
