-- Clears the times of alerts that are later than the server's clock: no alert would be sent until then.
UPDATE eventflow_stats.alerts
SET
    first_raised_at = least(first_raised_at, now()),
    last_raised_at = least(last_raised_at, now()),
    printed_at = CASE WHEN printed_at <= now() + interval '1 minute' THEN printed_at END,
    posted_at = CASE WHEN posted_at <= now() + interval '1 minute' THEN posted_at END
WHERE greatest(last_raised_at, printed_at, posted_at) > now() + interval '1 minute'
