-- The ledger: what is known of every client's day, how it came about and when it was verified.

-- One row per client and day (a client-day, the unit of work).
CREATE TABLE IF NOT EXISTS eventflow_stats.client_days (
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    stale_since timestamptz,
    stale_reason text,
    generation bigint NOT NULL DEFAULT 0,
    computed_at timestamptz,
    computed_snapshot pg_snapshot,
    visit_facts bigint NOT NULL DEFAULT 0,
    conversion_facts bigint NOT NULL DEFAULT 0,
    fingerprint bigint NOT NULL DEFAULT 0,
    verified_at timestamptz,
    verified_snapshot pg_snapshot,
    PRIMARY KEY (client_id, bucket_date)
);
CREATE INDEX IF NOT EXISTS client_days_day_idx ON eventflow_stats.client_days (bucket_date);
CREATE INDEX IF NOT EXISTS client_days_stale_idx ON eventflow_stats.client_days (bucket_date) WHERE stale_since IS NOT NULL;
COMMENT ON COLUMN eventflow_stats.client_days.fingerprint IS
    'Exclusive or of a 64-bit hash of each fact''s id, row version and link: another value means the facts changed.';

-- One row per day that was ever rebuilt or verified.
CREATE TABLE IF NOT EXISTS eventflow_stats.days (
    bucket_date date PRIMARY KEY,
    rebuilt_at timestamptz,
    unresolved_facts bigint NOT NULL DEFAULT 0,
    verified_at timestamptz,
    verification_result text CHECK (verification_result IN ('verified', 'stale', 'wrong')),
    wrong_groups bigint NOT NULL DEFAULT 0,
    stale_client_days bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN eventflow_stats.days.rebuilt_at IS
    'When every client of the day was last computed in one piece; NULL: the table cannot answer for this day.';
COMMENT ON COLUMN eventflow_stats.days.unresolved_facts IS
    'Facts of the day whose client cannot be resolved; they belong to no group.';

-- One row per group found wrong and, once repaired, how.
CREATE TABLE IF NOT EXISTS eventflow_stats.discrepancies (
    discrepancy_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    found_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    campaign_id uuid,
    marketing_campaign_link_id uuid,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    stored_visits bigint,
    stored_conversions bigint,
    true_visits bigint,
    true_conversions bigint,
    repaired_at timestamptz,
    repaired_by text
);
CREATE UNIQUE INDEX IF NOT EXISTS discrepancies_open_key ON eventflow_stats.discrepancies (
    client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign
) NULLS NOT DISTINCT WHERE repaired_at IS NULL;
COMMENT ON COLUMN eventflow_stats.discrepancies.stored_visits IS 'NULL: the table had no such row.';
COMMENT ON COLUMN eventflow_stats.discrepancies.true_visits IS 'NULL: the facts have no such group.';

-- One row per signed manual adjustment; never mixed into measured values, never deleted.
CREATE TABLE IF NOT EXISTS eventflow_stats.adjustments (
    adjustment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    campaign_id uuid,
    marketing_campaign_link_id uuid,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    visits_delta bigint NOT NULL DEFAULT 0,
    conversions_delta bigint NOT NULL DEFAULT 0,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    author text NOT NULL CHECK (btrim(author) <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    reverted_at timestamptz,
    reverted_by text,
    CHECK (visits_delta <> 0 OR conversions_delta <> 0)
);
CREATE INDEX IF NOT EXISTS adjustments_client_day_idx ON eventflow_stats.adjustments (client_id, bucket_date);

GRANT SELECT, INSERT, UPDATE ON
    eventflow_stats.client_days, eventflow_stats.days, eventflow_stats.discrepancies
    TO eventflow_stats_engine;
GRANT SELECT ON eventflow_stats.adjustments TO eventflow_stats_engine;
