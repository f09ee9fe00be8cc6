-- The digest of the function files that made the views and functions; NULL: they never ran.
SELECT functions_digest FROM eventflow_stats.deployment
