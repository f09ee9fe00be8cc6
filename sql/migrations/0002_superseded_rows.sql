-- One row per row of an adopted marketing_stats_daily that stood beside another row of the same group.
CREATE TABLE IF NOT EXISTS eventflow_stats.superseded_rows (
    superseded_at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL,
    -- The whole row as it was.
    original_row jsonb NOT NULL
);
