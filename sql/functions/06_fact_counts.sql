-- Counts of facts that do not come from the views of facts: PostgreSQL's row counters, the days to sweep, the second
-- count.

-- One row: PostgreSQL's row counters of the product's tables and their partitions.
--   counters        identifies the counters: only numbers of the same counters can be compared. Changes after a crash
--                   or a reset, which set them to zero, and after a table or partition was truncated, added, dropped or
--                   rewritten
--   changed_rows    rows updated or deleted, and dimensions inserted: changes that no ingest time shows
--   inserted_facts  rows inserted into the two tables of facts
-- A hint, not a verification: counters arrive late, and count rows that were rolled back.
-- To use this project with another product's tables, rewrite this view too.
CREATE OR REPLACE VIEW eventflow_stats.row_changes AS
WITH RECURSIVE counted AS (
    SELECT
        c.oid, c.relfilenode, c.relname IN ('event_access_logs', 'event_survey_entries') AS is_facts
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
        AND c.relname IN (
            'event_access_logs', 'event_survey_entries', 'event_survey_campaigns', 'webinars', 'campaign_link_meta'
        )
    UNION
    SELECT c.oid, c.relfilenode, above.is_facts
    FROM counted AS above
    JOIN pg_inherits AS i ON i.inhparent = above.oid
    JOIN pg_class AS c ON c.oid = i.inhrelid
)
SELECT
    md5(concat_ws(
        ' ',
        string_agg(concat_ws(':', c.oid, c.relfilenode), ' ' ORDER BY c.oid),
        extract(epoch FROM pg_stat_get_db_stat_reset_time(
            (SELECT oid FROM pg_database WHERE datname = current_database())
        )),
        extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())
    )) AS counters,
    CAST(coalesce(sum(
        pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)
        + CASE WHEN c.is_facts THEN 0 ELSE pg_stat_get_tuples_inserted(c.oid) END
    ), 0) AS bigint) AS changed_rows,
    CAST(coalesce(sum(pg_stat_get_tuples_inserted(c.oid)) FILTER (WHERE c.is_facts), 0) AS bigint) AS inserted_facts
FROM counted AS c;

-- One row per day that sweeps check: when its facts were last checked, by a rebuild, a sweep or a verification, and how
-- many seconds a sweep of it takes. A day that was never swept gets the seconds of the slowest day; NULL where no day
-- was swept. Held days are swept, sealed days are not.
CREATE OR REPLACE VIEW eventflow_stats.days_for_sweep AS
SELECT
    bucket_date,
    greatest(rebuilt_at, swept_at, whole_verified_at) AS checked,
    coalesce(swept_seconds, max(swept_seconds) OVER ()) AS sweep_seconds,
    held_at IS NOT NULL AS is_held
FROM eventflow_stats.days
WHERE (rebuilt_at IS NOT NULL OR held_at IS NOT NULL) AND sealed_at IS NULL;

-- The second count: the number of facts of a window in the product's own tables, for every verification of a whole day.
-- It has nothing in common with the views of facts but the tables: no view, no join, no dimension. So it finds facts
-- that a view loses or doubles. To use this project with another product's tables, rewrite this function too.
-- It runs as its owner, the owner of the product's tables. PostgreSQL raises an error where a policy would hide rows
-- from that owner. The body is a text, which finds the tables by name when it runs; the views read the tables that had
-- the names when the views were created. It is planned for its own window, because PostgreSQL would otherwise assume
-- one.
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

-- The number of facts that belong to no day: without a time (where the product allows that), at infinity, or in a year
-- that Python and Dagster have no dates for. No number counts them. Otherwise as count_facts; a BRIN index is used.
CREATE OR REPLACE FUNCTION eventflow_stats.count_facts_of_no_day(OUT visits bigint, OUT entries bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET row_security = off
    SET enable_seqscan = off
    AS $$
BEGIN
    SELECT count(*) INTO visits FROM public.event_access_logs AS v
    WHERE v.accessed_at IS NULL OR v.accessed_at < '0001-01-02 00:00Z' OR v.accessed_at >= '9999-12-31 00:00Z';
    SELECT count(*) INTO entries FROM public.event_survey_entries AS e
    WHERE e.created_at IS NULL OR e.created_at < '0001-01-02 00:00Z' OR e.created_at >= '9999-12-31 00:00Z';
END
$$;
REVOKE ALL ON FUNCTION eventflow_stats.count_facts, eventflow_stats.count_facts_of_no_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.count_facts, eventflow_stats.count_facts_of_no_day TO eventflow_stats_engine;

REVOKE ALL ON eventflow_stats.row_changes, eventflow_stats.days_for_sweep
    FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.row_changes, eventflow_stats.days_for_sweep TO eventflow_stats_engine;
