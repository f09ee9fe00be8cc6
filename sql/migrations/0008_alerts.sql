-- Alerts: what was raised and when it was last told, so that no process tells the same thing twice an hour.

-- One row per alert. Printing and posting are kept apart: a webhook that failed is owed the alert, stdout is not.
CREATE TABLE IF NOT EXISTS eventflow_stats.alerts (
    alert_key text PRIMARY KEY,
    text text NOT NULL,
    first_raised_at timestamptz NOT NULL DEFAULT now(),
    last_raised_at timestamptz NOT NULL DEFAULT now(),
    raised_since_sent bigint NOT NULL DEFAULT 1,
    printed_at timestamptz,
    posted_at timestamptz
);
COMMENT ON COLUMN eventflow_stats.alerts.raised_since_sent IS
    'How often it was raised since it was last printed or posted; 0 right after that.';
COMMENT ON COLUMN eventflow_stats.alerts.posted_at IS
    'When the webhook last took it; NULL: never, or there is no webhook.';

REVOKE ALL ON eventflow_stats.alerts FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE ON eventflow_stats.alerts TO eventflow_stats_engine;
