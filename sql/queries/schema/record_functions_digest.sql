-- Records the digest of the function files that created the views and functions. Parameters: digest text.
UPDATE eventflow_stats.deployment SET functions_digest = :digest
