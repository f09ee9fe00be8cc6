-- Makes the data quality of days due again whose time is later than the server's clock.
-- Parameters: unverified_since timestamptz.
UPDATE eventflow_stats.quality_days
SET computed_at = CAST(:unverified_since AS timestamptz)
WHERE computed_at > now() + interval '1 minute'
