-- The second count: how many facts a stretch of time has in the product's own tables, for every verification of a whole
-- day. It shares the tables with the views of facts and nothing else: no view, no join, no dimension. So it finds facts
-- that a view loses or doubles. Another product writes it beside its views.
-- It runs as its owner, the owner of the product's tables, and PostgreSQL raises an error where a policy would hide rows
-- even from that one. The body is a text, bound to the tables by their names when it runs: the views are bound to the
-- tables that had the names when they were made. Planned for its very window, since PostgreSQL would otherwise assume one.
CREATE OR REPLACE FUNCTION eventflow_stats.count_facts(
    window_start timestamptz, window_end timestamptz, OUT visits bigint, OUT entries bigint
)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET row_security = off
    SET plan_cache_mode = force_custom_plan
    AS $$
BEGIN
    SELECT count(*) INTO visits FROM public.event_access_logs AS v
    WHERE v.accessed_at >= window_start AND v.accessed_at < window_end;
    SELECT count(*) INTO entries FROM public.event_survey_entries AS e
    WHERE e.created_at >= window_start AND e.created_at < window_end;
END
$$;
REVOKE ALL ON FUNCTION eventflow_stats.count_facts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.count_facts TO eventflow_stats_engine;

ALTER TABLE eventflow_stats.days
    ADD COLUMN IF NOT EXISTS counted_visits bigint,
    ADD COLUMN IF NOT EXISTS counted_entries bigint;
COMMENT ON COLUMN eventflow_stats.days.counted_visits IS
    'Visits of the day in the product''s own table, as the last verification of the whole day counted them a second time: the views gave as many. NULL: none yet.';
COMMENT ON COLUMN eventflow_stats.days.counted_entries IS
    'Entries of the day in the product''s own table, counted in the same way.';

-- An alert for every group found wrong: alerted_at tells which are owed one still, whoever found them and was killed.
ALTER TABLE eventflow_stats.discrepancies ADD COLUMN IF NOT EXISTS alerted_at timestamptz;
COMMENT ON COLUMN eventflow_stats.discrepancies.alerted_at IS
    'When an alert told of this group, one of its own or the one that sums up many; NULL: it is owed.';
-- Nobody is owed an alert of what was repaired before.
UPDATE eventflow_stats.discrepancies SET alerted_at = found_at WHERE repaired_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS discrepancies_owed_idx ON eventflow_stats.discrepancies (bucket_date) WHERE alerted_at IS NULL;
