-- The policies and triggers of our tables. The last file, because it locks the rollup until the transaction ends.

ALTER TABLE public.marketing_stats_daily ENABLE ROW LEVEL SECURITY;
-- IN (SELECT ...) becomes a hashed subplan: membership is looked up once per query, not once per row. A row is visible
-- if any policy allows it.
DROP POLICY IF EXISTS members_read ON public.marketing_stats_daily;
CREATE POLICY members_read ON public.marketing_stats_daily
    FOR SELECT TO authenticated
    USING (client_id IN (SELECT eventflow_stats.readable_clients()));
DROP POLICY IF EXISTS super_admins_read ON public.marketing_stats_daily;
CREATE POLICY super_admins_read ON public.marketing_stats_daily
    FOR SELECT TO authenticated
    USING ((SELECT eventflow_stats.reads_every_client()));
DROP POLICY IF EXISTS service_reads ON public.marketing_stats_daily;
CREATE POLICY service_reads ON public.marketing_stats_daily
    FOR SELECT TO service_role USING (true);
DROP POLICY IF EXISTS functions_read ON public.marketing_stats_daily;
CREATE POLICY functions_read ON public.marketing_stats_daily
    FOR SELECT TO eventflow_stats_reader
    USING (
        (SELECT eventflow_stats.reads_every_client())
        OR client_id IN (SELECT eventflow_stats.readable_clients())
    );
DROP POLICY IF EXISTS engine_writes ON public.marketing_stats_daily;
CREATE POLICY engine_writes ON public.marketing_stats_daily
    FOR ALL TO eventflow_stats_engine USING (true) WITH CHECK (true);

-- An update sets the row's times.
CREATE OR REPLACE FUNCTION eventflow_stats.touch_marketing_stats_daily() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
    AS $$
BEGIN
    NEW.updated_at := now();
    NEW.last_aggregated_at := now();
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER marketing_stats_daily_touch
    BEFORE UPDATE ON public.marketing_stats_daily
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.touch_marketing_stats_daily();
CREATE OR REPLACE TRIGGER adjustments_guard
    BEFORE INSERT OR UPDATE OR DELETE ON eventflow_stats.adjustments
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.guard_adjustments();
CREATE OR REPLACE TRIGGER adjustments_guard_truncate
    BEFORE TRUNCATE ON eventflow_stats.adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION eventflow_stats.guard_adjustments();
-- Its name sorts before adjustments_guard, so it runs first: its messages are better, and it finds more kinds of
-- blanks.
CREATE OR REPLACE TRIGGER adjustments_check_reason
    BEFORE INSERT OR UPDATE ON eventflow_stats.adjustments
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.check_adjustment_reason();
