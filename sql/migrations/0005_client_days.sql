-- One row per client and day: from which facts its rows in the rollup were computed, and when they were verified.
CREATE TABLE IF NOT EXISTS eventflow_stats.client_days (
    client_id uuid NOT NULL,
    -- In the bucket time zone.
    bucket_date date NOT NULL,
    -- When facts were first seen to have arrived, changed or disappeared since computed_at. NULL: none.
    stale_since timestamptz,
    -- Every fact committed before this instant is in the rollup. Use this for freshness. stale_since is later and would
    -- make the rollup look fresher than it is. NULL: nothing is known to be missing.
    stale_from timestamptz,
    stale_reason text,
    -- How often facts were seen to have arrived, changed or disappeared.
    generation bigint NOT NULL DEFAULT 0,
    -- NULL: never computed.
    computed_at timestamptz,
    computed_snapshot pg_snapshot,
    -- The facts that it was computed from: rows of the access log, entries.
    visit_facts bigint NOT NULL DEFAULT 0,
    conversion_facts bigint NOT NULL DEFAULT 0,
    -- Exclusive or of a 64-bit hash of each fact's id, row version and link. Another value means that facts changed.
    fingerprint bigint NOT NULL DEFAULT 0,
    -- When its rows were last found equal to its facts. NULL: not since they were computed.
    verified_at timestamptz,
    verified_snapshot pg_snapshot,
    PRIMARY KEY (client_id, bucket_date),
    CONSTRAINT client_days_stale_check CHECK ((stale_since IS NULL) = (stale_from IS NULL))
);
CREATE INDEX IF NOT EXISTS client_days_day_idx ON eventflow_stats.client_days (bucket_date);
CREATE INDEX IF NOT EXISTS client_days_stale_idx ON eventflow_stats.client_days (bucket_date) WHERE stale_since IS NOT NULL;
CREATE INDEX IF NOT EXISTS client_days_unverified_idx ON eventflow_stats.client_days (bucket_date) WHERE verified_at IS NULL;
