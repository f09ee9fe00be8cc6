-- Forgets alerts of single wrong groups that were raised long ago: each group found has one of its own.
DELETE FROM eventflow_stats.alerts
WHERE alert_key LIKE 'wrong group%' AND last_raised_at < now() - interval '7 days'
