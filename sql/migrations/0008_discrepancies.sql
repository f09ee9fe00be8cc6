-- One row per group that verification found wrong, and how it was repaired.
CREATE TABLE IF NOT EXISTS eventflow_stats.discrepancies (
    discrepancy_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    found_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    client_id uuid NOT NULL,
    -- In the bucket time zone.
    bucket_date date NOT NULL,
    campaign_id uuid,
    marketing_campaign_link_id uuid,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    -- NULL: the rollup had no such row.
    stored_visits bigint,
    stored_conversions bigint,
    -- NULL: the facts have no such group.
    true_visits bigint,
    true_conversions bigint,
    -- NULL: still wrong.
    repaired_at timestamptz,
    repaired_by text,
    -- When an alert named this group, alone or among many. NULL: the alert is still to be sent.
    alerted_at timestamptz
);
-- One open row per group.
CREATE UNIQUE INDEX IF NOT EXISTS discrepancies_open_key ON eventflow_stats.discrepancies (
    client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign
) NULLS NOT DISTINCT WHERE repaired_at IS NULL;
CREATE INDEX IF NOT EXISTS discrepancies_client_day_idx ON eventflow_stats.discrepancies (client_id, bucket_date);
CREATE INDEX IF NOT EXISTS discrepancies_owed_idx ON eventflow_stats.discrepancies (bucket_date) WHERE alerted_at IS NULL;
