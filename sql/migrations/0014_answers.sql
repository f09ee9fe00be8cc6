-- One row per minute and source: how many answers all processes of the read API gave together.
-- Who asked is not kept. Old rows are deleted by whoever writes.
CREATE TABLE IF NOT EXISTS eventflow_stats.answers (
    -- UTC, its first second.
    minute timestamptz NOT NULL,
    -- aggregated: from the rollup alone. raw: at least one day was measured from facts.
    source text NOT NULL CHECK (source IN ('aggregated', 'raw')),
    answers bigint NOT NULL,
    PRIMARY KEY (minute, source)
);
