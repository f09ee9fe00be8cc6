-- Records that an alert was raised, and answers whether it was sent recently.
-- Parameters: alert_key text; text text; printed_at, posted_at timestamptz (when it was sent while the table could not
-- be used, else NULL); recent interval.
-- Result: one row; raised (how often since it was last sent, this time included), printed_recently, posted_recently.
INSERT INTO eventflow_stats.alerts AS a (alert_key, text, printed_at, posted_at)
VALUES (:alert_key, :text, CAST(:printed_at AS timestamptz), CAST(:posted_at AS timestamptz))
ON CONFLICT (alert_key) DO UPDATE SET
    text = excluded.text,
    last_raised_at = now(),
    raised_since_sent = a.raised_since_sent + 1,
    printed_at = greatest(a.printed_at, excluded.printed_at),
    posted_at = greatest(a.posted_at, excluded.posted_at)
RETURNING
    raised_since_sent AS raised,
    coalesce(printed_at > now() - CAST(:recent AS interval), false) AS printed_recently,
    coalesce(posted_at > now() - CAST(:recent AS interval), false) AS posted_recently
