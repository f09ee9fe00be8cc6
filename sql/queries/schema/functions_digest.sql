-- The digest of the function files that created the views and functions; NULL if they never ran.
SELECT functions_digest FROM eventflow_stats.deployment
