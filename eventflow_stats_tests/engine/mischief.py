"""Problems of a deployment by name: statements that cause each, the lines of the doctor that report it, their words."""

ENGINE, ROLLUP = "eventflow_stats_engine", "public.marketing_stats_daily"
UNTICKED = "rollup: schedule warn"
"""The line of a right rollup for which no schedule runs."""
NOT_CREATED = {f"schema: our {kind} fail" for kind in ("tables", "constraints", "indexes", "functions", "triggers")} | {
    "schema: our policies fail",
    "schema: our grants fail",
}
ON_THIS_DATABASE = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {}', current_database()); END $$"

MISCHIEF: dict[str, tuple[str, set[str], str]] = {
    "an index of ours is dropped": (
        "DROP INDEX event_access_logs_accessed_brin",
        {"indexes: fact indexes fail", "schema: our indexes fail"},
        "-> eventflow-stats migrate",
    ),
    "an index is invalid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'event_survey_entries_created_brin'::regclass",
        {"indexes: fact indexes fail", "indexes: validity fail"},
        "REINDEX INDEX CONCURRENTLY event_survey_entries_created_brin",
    ),
    "an index of the product is dropped": (
        "DROP INDEX event_access_logs_campaign_accessed_idx",
        {"indexes: product's indexes warn"},
        "event_access_logs (campaign_id, accessed_at)",
    ),
    "a large table's index was never used": (
        "UPDATE pg_class SET reltuples = 1e6 WHERE relname = 'event_survey_entries'",
        {"indexes: use warn"},
        "never scanned although the table is large: event_survey_entries_created_brin",
    ),
    "the engine can write facts": (
        f"GRANT INSERT ON event_access_logs TO {ENGINE}",
        {"rights: engine's role fail"},
        f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.event_access_logs FROM {ENGINE}",
    ),
    "the engine can write a column of facts": (
        f"GRANT UPDATE (cid) ON event_access_logs TO {ENGINE}",
        {"rights: engine's role fail"},
        "event_access_logs (UPDATE)",
    ),
    "anybody can create in schema public": (
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        {"rights: engine's role fail", "rights: reader's role fail"},
        "REVOKE CREATE ON SCHEMA public FROM eventflow_stats_reader, PUBLIC",
    ),
    "users can write the rollup": (
        f"GRANT UPDATE (visits) ON {ROLLUP} TO authenticated",
        {"rights: writers fail", "schema: our grants fail"},
        f"grant UPDATE on {ROLLUP}.visits to authenticated",
    ),
    "the engine may not write the rollup": (
        f"REVOKE INSERT ON {ROLLUP} FROM {ENGINE}",
        {"schema: our grants fail"},
        f"missing or changed: grant INSERT on {ROLLUP} to {ENGINE} -> GRANT INSERT ON {ROLLUP} TO {ENGINE}",
    ),
    "nobody may execute a read function": (
        "REVOKE EXECUTE ON FUNCTION marketing_summary FROM authenticated",
        {"schema: our grants fail"},
        "-> GRANT EXECUTE ON FUNCTION public.marketing_summary"
        '(client_id uuid, "from" date, "to" date) TO authenticated',
    ),
    "a function of ours is gone": (
        "DROP FUNCTION eventflow_stats.add_adjustment",
        {"assumptions: own objects fail", "schema: our functions fail", "schema: our grants fail"},
        "missing or changed: function eventflow_stats.add_adjustment(",
    ),
    "a policy is dropped": (
        f"DROP POLICY members_read ON {ROLLUP}",
        {"schema: our policies fail"},
        f"policy members_read on {ROLLUP}",
    ),
    "a policy is added": (
        f"CREATE POLICY anyone ON {ROLLUP} FOR SELECT TO anon USING (true)",
        {"schema: our policies fail"},
        "not from the migrations: policy anyone",
    ),
    "row-level security is off": (
        f"ALTER TABLE {ROLLUP} DISABLE ROW LEVEL SECURITY",
        {"schema: our policies fail"},
        f"row-level security on {ROLLUP}",
    ),
    "a product table without row-level security is open": (
        "ALTER TABLE campaign_link_meta DISABLE ROW LEVEL SECURITY; GRANT SELECT ON campaign_link_meta TO anon",
        {"rights: open product tables warn"},
        "campaign_link_meta (SELECT; no row-level security)",
    ),
    "policies open a product table to anybody": (
        "GRANT ALL ON event_access_logs TO anon; CREATE POLICY a ON event_access_logs FOR SELECT USING (true);"
        "CREATE POLICY b ON event_access_logs FOR INSERT TO anon, authenticated WITH CHECK (true)",
        {"rights: open product tables warn"},
        "anybody can read or write: event_access_logs (SELECT, INSERT) ->",
    ),
    "product tables are open under conditions": (
        "GRANT ALL ON event_access_logs, event_survey_entries, webinars TO anon;"
        "CREATE POLICY a ON event_access_logs USING (cid = 'mine');"
        "CREATE POLICY a ON event_survey_entries USING (true);"
        "CREATE POLICY b ON event_survey_entries AS RESTRICTIVE USING (name = 'mine');"
        "CREATE POLICY a ON webinars TO authenticated USING (true)",
        set(),
        "none without a condition; under conditions, which are not checked: event_access_logs (SELECT, INSERT, UPDATE, "
        "DELETE), event_survey_entries (SELECT, INSERT, UPDATE, DELETE) ->",
    ),
    "a table that we do not know is open": (
        "CREATE TABLE leads (phone text); GRANT SELECT, INSERT ON leads TO anon",
        {"rights: open product tables warn"},
        "anybody can read or write: leads (SELECT, INSERT; no row-level security) ->",
    ),
    "a condition that is none opens a product table, and one that is never met does not": (
        "GRANT SELECT ON event_access_logs, event_survey_entries TO anon;"
        "CREATE POLICY a ON event_access_logs FOR SELECT USING (1 = 1 OR NOT true);"
        "CREATE POLICY a ON event_survey_entries FOR SELECT USING (false)",
        {"rights: open product tables warn"},
        "anybody can read or write: event_access_logs (SELECT) ->",
    ),
    "views read product tables past their policies": (
        "CREATE SCHEMA reports; GRANT USAGE ON SCHEMA reports TO anon;"
        "CREATE VIEW reports.inner_one AS SELECT e.name FROM event_survey_entries AS e JOIN clients USING (name);"
        "CREATE VIEW visits_of_all AS SELECT name FROM reports.inner_one;"
        "CREATE MATERIALIZED VIEW reports.kept AS SELECT count(*) FROM event_access_logs;"
        "CREATE VIEW of_the_caller WITH (security_invoker = on) AS SELECT cid FROM event_access_logs;"
        "CREATE VIEW of_nobody AS SELECT cid FROM event_access_logs;"
        "GRANT SELECT ON visits_of_all, reports.kept, of_the_caller TO anon",
        {"rights: open views warn"},
        "public.visits_of_all (of clients, event_survey_entries), reports.kept (of event_access_logs) -> "
        "for the product's team to decide: ALTER VIEW public.visits_of_all SET (security_invoker = true); "
        "REVOKE ALL ON reports.kept FROM anon, PUBLIC",
    ),
    "a function of ours has no search_path": (
        "ALTER FUNCTION eventflow_stats.readable_clients RESET search_path",
        {"assumptions: own objects fail", "rights: functions fail", "schema: our functions fail"},
        "ALTER FUNCTION eventflow_stats.readable_clients SET search_path = pg_catalog, pg_temp",
    ),
    "anybody can call the read API": (
        "GRANT EXECUTE ON FUNCTION marketing_summary TO anon",
        {"rights: functions fail", "schema: our grants fail"},
        "anon can call public.marketing_summary",
    ),
    "a function of ours is another": (
        "CREATE OR REPLACE FUNCTION eventflow_stats.utm_value(stored text) RETURNS text LANGUAGE sql IMMUTABLE "
        "PARALLEL SAFE AS 'SELECT lower(stored)'",
        {"assumptions: own objects fail", "schema: our functions fail"},
        "missing or changed: function eventflow_stats.utm_value(stored text) -> eventflow-stats migrate",
    ),
    "the trigger of the rollup is gone": (
        f"DROP TRIGGER marketing_stats_daily_touch ON {ROLLUP}",
        {"schema: our triggers fail"},
        "-> eventflow-stats migrate",
    ),
    "the guard of the adjustments is disabled": (
        "ALTER TABLE eventflow_stats.adjustments DISABLE TRIGGER adjustments_guard",
        {"schema: our triggers fail"},
        "-> ALTER TABLE eventflow_stats.adjustments ENABLE TRIGGER adjustments_guard",
    ),
    "a trigger changes what is written": (
        "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.visits := NEW.visits + 1; RETURN NEW; END';"
        f"CREATE TRIGGER more BEFORE INSERT ON {ROLLUP} FOR EACH ROW EXECUTE FUNCTION more()",
        {"schema: our triggers fail"},
        f"not from the migrations: trigger of {ROLLUP}: CREATE TRIGGER more",
    ),
    "a rule changes what is written": (
        f"CREATE RULE nothing AS ON UPDATE TO {ROLLUP} DO INSTEAD NOTHING",
        {"schema: our triggers fail"},
        f"not from the migrations: rule of {ROLLUP}: CREATE RULE nothing",
    ),
    "a login may act for the engine": (
        f"CREATE ROLE night_job_of_test LOGIN; GRANT {ENGINE} TO night_job_of_test",
        set(),
        f"{ENGINE} alone writes the rollup and the ledger; these may act for it or for the tables' owner: "
        "night_job_of_test ->",
    ),
    "the key of the rollup is gone": (
        f"ALTER TABLE {ROLLUP} DROP CONSTRAINT marketing_stats_daily_pkey",
        {"schema: our constraints fail"},
        "PRIMARY KEY (client_id, bucket_date, id)",
    ),
    "a product table lacks a column": (
        "ALTER TABLE clients RENAME slug TO nickname",
        {"schema: product tables fail"},
        "column public.clients.slug is missing",
    ),
    "a table of ours lacks a column": (
        "ALTER TABLE eventflow_stats.client_days DROP COLUMN stale_from",
        {
            "schema: our tables fail",
            # The check that names it goes with it.
            "schema: our constraints fail",
            "rollup: trust fail",
            "rollup: schedule fail",
            "rollup: facts of no client fail",
            "rollup: facts of no day fail",
            "rollup: held days fail",
            "rollup: sealed days fail",
        },
        'is not migrated (column "stale_from" does not exist)',
    ),
    "the last migrations are missing": (
        "UPDATE eventflow_stats.schema_version SET version_num = '0009_progress'",
        {"schema: migrations fail", *NOT_CREATED},
        "0009_progress; missing: 0010_unswept_changes, 0011_alerts",
    ),
    "the database is newer": (
        "UPDATE eventflow_stats.schema_version SET version_num = '9999_later'",
        {"schema: migrations fail", *NOT_CREATED},
        "9999_later, which this version of eventflow-stats does not have",
    ),
    "the database is an earlier version's": (
        "UPDATE eventflow_stats.schema_version SET version_num = '0024_second_count'",
        {"schema: migrations fail", *NOT_CREATED},
        "an earlier version of eventflow-stats made this database (migration 0024_second_count)",
    ),
    "the days are another time zone's": (
        "UPDATE eventflow_stats.deployment SET bucket_timezone = 'Asia/Seoul'",
        {"schema: bucket time zone fail"},
        "set EVENTFLOW_BUCKET_TIMEZONE=Asia/Seoul",
    ),
    "changed rows are not counted": (
        ON_THIS_DATABASE.format("track_counts = off"),
        {"server: counters fail"},
        "set track_counts = on",
    ),
    "a table of facts is never vacuumed": (
        "ALTER TABLE event_access_logs SET (autovacuum_enabled = off)",
        {"server: statistics warn"},
        "ALTER TABLE public.event_access_logs RESET (autovacuum_enabled)",
    ),
    "the database is read-only": (
        ON_THIS_DATABASE.format("default_transaction_read_only = on"),
        {"server: writing fail"},
        "default_transaction_read_only is on for database",
    ),
    "a day was never computed": (
        "DELETE FROM eventflow_stats.days WHERE bucket_date = '2026-03-01'",
        {"rollup: coverage warn"},
        "eventflow-stats backfill --from 2026-03-01 --to 2026-03-01 --missing",
    ),
    "a group is wrong": (
        "INSERT INTO eventflow_stats.discrepancies (client_id, bucket_date) VALUES (gen_random_uuid(), '2026-03-02')",
        {"rollup: trust fail"},
        "1 wrong group on 2026-03-02 -> repair: eventflow-stats backfill --from 2026-03-02",
    ),
    "facts belong to no client": (
        "UPDATE eventflow_stats.days SET unresolved_facts = 3 WHERE bucket_date = '2026-03-02'",
        {"rollup: facts of no client warn"},
        "3 facts of no client",
    ),
}
