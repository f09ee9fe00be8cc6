-- Records which function files made the views and functions. Parameters: digest text.
UPDATE eventflow_stats.deployment SET functions_digest = :digest
