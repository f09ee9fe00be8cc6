-- A client-day computed anew has no verification until it is verified again, whatever two clocks say: no time of verification, then.
UPDATE eventflow_stats.client_days SET verified_at = NULL, verified_snapshot = NULL WHERE verified_at < computed_at;
CREATE INDEX IF NOT EXISTS client_days_unverified_idx ON eventflow_stats.client_days (bucket_date) WHERE verified_at IS NULL;
COMMENT ON COLUMN eventflow_stats.client_days.verified_at IS
    'When it was last verified; NULL: not since it was computed, or never.';
