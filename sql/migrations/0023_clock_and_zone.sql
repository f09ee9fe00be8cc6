-- What is needed to go on after the server's clock was wrong, and after the rules of the time zone changed.
ALTER TABLE eventflow_stats.progress ADD COLUMN IF NOT EXISTS detected_before timestamptz;
COMMENT ON COLUMN eventflow_stats.progress.detected_before IS
    'detected_at before it last advanced by more than an hour: where to start from if the clock was ahead then.';
ALTER TABLE eventflow_stats.days
    ADD COLUMN IF NOT EXISTS window_start timestamptz,
    ADD COLUMN IF NOT EXISTS window_end timestamptz;
COMMENT ON COLUMN eventflow_stats.days.window_start IS
    'The first instant of the day when it was last computed or verified whole; window_end is the next day''s.';
