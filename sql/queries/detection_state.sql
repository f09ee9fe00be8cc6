-- When facts were last looked for; no row before the first time.
SELECT detected_at FROM eventflow_stats.detection
