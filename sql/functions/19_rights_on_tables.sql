-- The rights on our tables. The engine writes them; the reader owns the functions that people read through. No other role
-- has a right in schema eventflow_stats, and only the engine writes the rollup.
REVOKE ALL ON ALL TABLES IN SCHEMA eventflow_stats FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    eventflow_stats.alerts, eventflow_stats.answers, eventflow_stats.marketing_data_quality_daily
    TO eventflow_stats_engine;
GRANT SELECT, INSERT, UPDATE ON
    eventflow_stats.client_days, eventflow_stats.days, eventflow_stats.discrepancies, eventflow_stats.quality_days
    TO eventflow_stats_engine;
GRANT SELECT, INSERT, DELETE ON eventflow_stats.unswept_changes TO eventflow_stats_engine;
GRANT SELECT, INSERT ON eventflow_stats.day_decisions TO eventflow_stats_engine;
GRANT SELECT, UPDATE ON eventflow_stats.progress TO eventflow_stats_engine;
GRANT SELECT ON eventflow_stats.deployment, eventflow_stats.own_objects, eventflow_stats.adjustments
    TO eventflow_stats_engine;
GRANT SELECT ON
    eventflow_stats.schema_version, eventflow_stats.deployment, eventflow_stats.progress, eventflow_stats.unswept_changes,
    eventflow_stats.client_days, eventflow_stats.days, eventflow_stats.discrepancies, eventflow_stats.adjustments
    TO eventflow_stats_reader;

REVOKE ALL ON public.marketing_stats_daily FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON public.marketing_stats_daily TO authenticated, service_role, eventflow_stats_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.marketing_stats_daily TO eventflow_stats_engine;
