-- One row per client and day with facts: how well its visits and entries are tracked.
CREATE TABLE IF NOT EXISTS eventflow_stats.marketing_data_quality_daily (
    client_id uuid NOT NULL,
    -- In the bucket time zone. Facts of no client are in days.unresolved_facts.
    bucket_date date NOT NULL,
    -- When the row last changed. quality_days has the time of the last computation.
    computed_at timestamptz NOT NULL,

    -- Rows of the access log (page views).
    visit_facts bigint NOT NULL,
    -- Distinct sessions of the client's day. The rollup has more visits if a session is in two groups.
    visits bigint NOT NULL,
    -- Rows of the access log without a session id. Each is a visit of its own.
    sessionless_visits bigint NOT NULL,
    -- Submitted entries, which are the conversions.
    entries bigint NOT NULL,
    -- Entries that a visit of any day names by its entry_id.
    linked_entries bigint NOT NULL,
    -- Facts with a UTM source, medium or campaign. An empty text is none.
    visit_facts_with_utm bigint NOT NULL,
    entries_with_utm bigint NOT NULL,
    -- Facts of a tracking link, stored or found by the cid.
    visit_facts_with_link bigint NOT NULL,
    entries_with_link bigint NOT NULL,
    -- Entries with a link or any UTM: tracked_count of marketing_summary.
    tracked_entries bigint NOT NULL,
    -- Facts with neither a link nor any UTM.
    unknown_facts bigint NOT NULL,

    -- Percent. NULL: nothing to divide by.
    linkage_rate numeric(5, 2) GENERATED ALWAYS AS (
        round(linked_entries * 100::numeric / nullif(entries, 0), 2)
    ) STORED,
    utm_fill_rate numeric(5, 2) GENERATED ALWAYS AS (
        round((visit_facts_with_utm + entries_with_utm) * 100::numeric / nullif(visit_facts + entries, 0), 2)
    ) STORED,
    attribution_rate numeric(5, 2) GENERATED ALWAYS AS (
        round((visit_facts_with_link + entries_with_link) * 100::numeric / nullif(visit_facts + entries, 0), 2)
    ) STORED,
    unknown_rate numeric(5, 2) GENERATED ALWAYS AS (
        round(unknown_facts * 100::numeric / nullif(visit_facts + entries, 0), 2)
    ) STORED,
    -- As tracking_success_rate of marketing_summary.
    tracking_success_rate numeric(5, 2) GENERATED ALWAYS AS (
        round(tracked_entries * 100::numeric / nullif(entries, 0), 2)
    ) STORED,
    PRIMARY KEY (client_id, bucket_date)
);
CREATE INDEX IF NOT EXISTS marketing_data_quality_daily_day_idx
    ON eventflow_stats.marketing_data_quality_daily (bucket_date);

-- One row per day whose data quality was computed. It is not a column of days: a refresh writes that row in its own
-- transaction, and of two transactions that write it at once one fails and is done again.
CREATE TABLE IF NOT EXISTS eventflow_stats.quality_days (
    -- In the bucket time zone.
    bucket_date date PRIMARY KEY,
    -- What was computed or verified of the day before this instant is in marketing_data_quality_daily.
    computed_at timestamptz NOT NULL
);
