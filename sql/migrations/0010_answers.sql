-- How the read API's answers came about: counted, so that a check can tell when too many are measured from facts.

-- One row per minute (UTC, its first second) and source, of all processes of the API together. Whose answers they
-- were is not kept; rows of more than two days ago are deleted by whoever writes.
CREATE TABLE IF NOT EXISTS eventflow_stats.answers (
    minute timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('aggregated', 'raw')),
    answers bigint NOT NULL,
    PRIMARY KEY (minute, source)
);
COMMENT ON COLUMN eventflow_stats.answers.source IS
    'aggregated: from the rollup alone; raw: at least one day was measured from facts.';

REVOKE ALL ON eventflow_stats.answers FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON eventflow_stats.answers TO eventflow_stats_engine;
