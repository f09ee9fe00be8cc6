-- Deletes the records of alerts about single wrong groups after 7 days: every wrong group adds one.
DELETE FROM eventflow_stats.alerts
WHERE alert_key LIKE 'wrong group%' AND last_raised_at < now() - interval '7 days'
