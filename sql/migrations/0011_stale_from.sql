-- Since when facts of a stale client-day may be missing, which is before the look that found it: what freshness is reported by.
-- stale_since says when that look was; after a pause the two are far apart.
ALTER TABLE eventflow_stats.client_days ADD COLUMN IF NOT EXISTS stale_from timestamptz;
UPDATE eventflow_stats.client_days
SET stale_from = coalesce(computed_at, eventflow_stats.day_start(bucket_date))
WHERE stale_since IS NOT NULL AND stale_from IS NULL;
COMMENT ON COLUMN eventflow_stats.client_days.stale_from IS
    'Every fact of the client-day committed before is in the rollup; NULL: nothing of it is known to be missing.';
-- A span left behind would make the next new fact look as old as the last one.
ALTER TABLE eventflow_stats.client_days DROP CONSTRAINT IF EXISTS client_days_stale_check;
ALTER TABLE eventflow_stats.client_days
    ADD CONSTRAINT client_days_stale_check CHECK ((stale_since IS NULL) = (stale_from IS NULL));
