-- Records that an alert was sent just now. Parameters: alert_key text; printed, posted boolean (which way).
UPDATE eventflow_stats.alerts SET
    printed_at = CASE WHEN :printed THEN clock_timestamp() ELSE printed_at END,
    posted_at = CASE WHEN :posted THEN clock_timestamp() ELSE posted_at END,
    raised_since_sent = 0
WHERE alert_key = :alert_key
