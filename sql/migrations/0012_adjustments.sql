-- One row per manual change of a group, beside the measured numbers. No row is ever changed or deleted, only reverted.
CREATE TABLE IF NOT EXISTS eventflow_stats.adjustments (
    -- From 1 without gaps: trigger adjustments_guard gives it, so that no row can be missing unseen.
    adjustment_id bigint PRIMARY KEY,
    client_id uuid NOT NULL,
    -- In the bucket time zone.
    bucket_date date NOT NULL,
    campaign_id uuid,
    marketing_campaign_link_id uuid,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    visits_delta bigint NOT NULL DEFAULT 0,
    conversions_delta bigint NOT NULL DEFAULT 0,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    -- The person, as they said.
    author text NOT NULL CHECK (btrim(author) <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The database login, which nobody can choose.
    recorded_by text,
    -- NULL: in force.
    reverted_at timestamptz,
    reverted_by text,
    reverted_reason text,
    reverted_recorded_by text,
    CHECK (visits_delta <> 0 OR conversions_delta <> 0)
);
CREATE INDEX IF NOT EXISTS adjustments_client_day_idx ON eventflow_stats.adjustments (client_id, bucket_date);
