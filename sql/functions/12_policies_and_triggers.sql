-- What guards our tables: policies of the rollup, triggers. Last, because it locks the rollup until it is done.

ALTER TABLE public.marketing_stats_daily ENABLE ROW LEVEL SECURITY;
-- IN (SELECT ...) is a hashed subplan: membership is looked up once a query, not once a row. Policies add up.
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

CREATE OR REPLACE TRIGGER marketing_stats_daily_touch
    BEFORE UPDATE ON public.marketing_stats_daily
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.touch_marketing_stats_daily();
CREATE OR REPLACE TRIGGER adjustments_guard
    BEFORE INSERT OR UPDATE OR DELETE ON eventflow_stats.adjustments
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.guard_adjustments();
CREATE OR REPLACE TRIGGER adjustments_guard_truncate
    BEFORE TRUNCATE ON eventflow_stats.adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION eventflow_stats.guard_adjustments();
-- Before adjustments_guard, as its name has it: that one sees some of the blanks, and knows no better word for them.
CREATE OR REPLACE TRIGGER adjustments_check_reason
    BEFORE INSERT OR UPDATE ON eventflow_stats.adjustments
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.check_adjustment_reason();
