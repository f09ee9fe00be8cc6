-- Since when facts of a dirty scope may be missing, which is before the look that found it: what freshness is told by.
-- dirty_since says when that look was; after a pause the two are far apart.
ALTER TABLE eventflow_stats.scopes ADD COLUMN IF NOT EXISTS dirty_from timestamptz;
UPDATE eventflow_stats.scopes
SET dirty_from = coalesce(computed_at, eventflow_stats.day_start(bucket_date))
WHERE dirty_since IS NOT NULL AND dirty_from IS NULL;
COMMENT ON COLUMN eventflow_stats.scopes.dirty_from IS
    'Every fact of the scope committed before is in the rollup; NULL: nothing of it is known to be missing.';
-- A span left behind would make the next new fact look as old as the last one.
ALTER TABLE eventflow_stats.scopes DROP CONSTRAINT IF EXISTS scopes_dirty_check;
ALTER TABLE eventflow_stats.scopes
    ADD CONSTRAINT scopes_dirty_check CHECK ((dirty_since IS NULL) = (dirty_from IS NULL));
