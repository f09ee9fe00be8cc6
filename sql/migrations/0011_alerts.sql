-- One row per alert, so that no process sends the same alert twice an hour.
CREATE TABLE IF NOT EXISTS eventflow_stats.alerts (
    alert_key text PRIMARY KEY,
    text text NOT NULL,
    first_raised_at timestamptz NOT NULL DEFAULT now(),
    last_raised_at timestamptz NOT NULL DEFAULT now(),
    -- How often it was raised since it was last printed or posted. 0 right after that.
    raised_since_sent bigint NOT NULL DEFAULT 1,
    -- Printing and posting are apart: after a failure of the webhook the alert is posted again, but not printed again.
    printed_at timestamptz,
    -- When the webhook last accepted it. NULL: never, or there is no webhook.
    posted_at timestamptz
);
