-- transactional: no
-- Additive indexes on the product's fact tables: a day's facts by event time, new facts by ingest time.
-- BRIN: a few kilobytes, next to no cost for an insert; built without blocking the product's writes.
CREATE INDEX CONCURRENTLY IF NOT EXISTS event_access_logs_accessed_brin
    ON public.event_access_logs USING brin (accessed_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX CONCURRENTLY IF NOT EXISTS event_access_logs_created_brin
    ON public.event_access_logs USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX CONCURRENTLY IF NOT EXISTS event_survey_entries_created_brin
    ON public.event_survey_entries USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);
