"""The doctor on a database: one planted trouble at a time, each seen as its lines and as no other."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.doctor.connecting import judge_clocks
from eventflow_stats.engine.doctor.examine import examine_database
from eventflow_stats.engine.doctor.finding import Finding
from eventflow_stats.engine.doctor.schema import examine_schema
from eventflow_stats.engine.migrations import migrate
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.rebuild import rebuild
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.inspecting import connect, everything_in, rows, run
from eventflow_stats_tests.engine.left_by_the_migrations import LIST, listed
from eventflow_stats_tests.engine.original_table import SUPABASE_DEFAULTS, lay_original
from eventflow_stats_tests.facts import Product, Visit
from eventflow_stats_tests.facts import connect as connect_product
from eventflow_stats_tests.transaction_pooler import transaction_pooler

DAYS = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)]
ENGINE, ROLLUP = "eventflow_stats_engine", "public.marketing_stats_daily"
UNTICKED = "rollup: schedule warn"
"""What a rollup has to be told of that is right and that no schedule keeps right."""
NOT_LAID = {f"schema: our {kind} fail" for kind in ("tables", "constraints", "indexes", "functions", "triggers")} | {
    "schema: our policies fail",
    "schema: our grants fail",
}
ON_THIS_DATABASE = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {}', current_database()); END $$"


def troubles(found: list[Finding]) -> set[str]:
    return {f"{each.area}: {each.name} {each.state}" for each in found if each.state != "ok"}


def told(found: list[Finding], name: str) -> str:
    [each] = [each for each in found if each.name == name]
    return f"{each.found} -> {each.remedy}"


@pytest.fixture(scope="module")
def computed(cluster: Cluster) -> str:
    """The name of a database with two days of one client, computed and proved; the tests work on copies."""
    database = Database(cluster.migrated("UTC"), Settings())
    with connect_product(database) as connection:
        product = Product(connection)
        campaign = product.campaign(product.client())
        product.add(*(visit(day, campaign) for day in DAYS[:2]))
    list(rebuild(database, DAYS[:2]))
    list(prove(database, DAYS[:2]))
    return str(database.url.database)


def visit(day: date, campaign: object) -> Visit:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return Visit(at=noon, ingested_at=datetime.now(UTC), campaign_id=campaign, session_id="a")  # type: ignore[arg-type]


@pytest.fixture
def patient(cluster: Cluster, computed: str) -> Iterator[Database]:
    url = cluster.create(computed)
    yield Database(url, Settings())
    cluster.drop(url)


def test_a_database_that_is_well_has_nothing_to_be_told_but_that_no_schedule_runs(patient: Database) -> None:
    before = everything_in(patient)
    found = examine_database(patient, {})
    assert troubles(found) == {UNTICKED}
    assert "eventflow-stats up" in told(found, "schedule")
    assert everything_in(patient) == before


MISCHIEF: dict[str, tuple[str, set[str], str]] = {
    "an index of ours is dropped": (
        "DROP INDEX event_access_logs_accessed_brin",
        {"indexes: of time upon facts fail", "schema: our indexes fail"},
        "sql/migrations/0006_fact_indexes.sql",
    ),
    "an index is invalid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'event_survey_entries_created_brin'::regclass",
        {"indexes: of time upon facts fail", "indexes: validity fail"},
        "REINDEX INDEX CONCURRENTLY event_survey_entries_created_brin",
    ),
    "an index of the product is dropped": (
        "DROP INDEX event_access_logs_campaign_accessed_idx",
        {"indexes: of the product warn"},
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
        {"schema: our functions fail", "schema: our grants fail"},
        "-> lay it again: run sql/migrations/0013_adjustments.sql by psql",
    ),
    "a policy is dropped": (
        f"DROP POLICY members_read ON {ROLLUP}",
        {"schema: our policies fail"},
        f"policy members_read on {ROLLUP}",
    ),
    "a policy is added": (
        f"CREATE POLICY anyone ON {ROLLUP} FOR SELECT TO anon USING (true)",
        {"schema: our policies fail"},
        "beside the migrations: policy anyone",
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
        "none without a condition; under conditions, which are not judged: event_access_logs (SELECT, INSERT, UPDATE, "
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
        "the product's to decide: ALTER VIEW public.visits_of_all SET (security_invoker = true); "
        "REVOKE ALL ON reports.kept FROM anon, PUBLIC",
    ),
    "a function of ours has no search_path": (
        "ALTER FUNCTION eventflow_stats.readable_clients RESET search_path",
        {"rights: functions fail", "schema: our functions fail"},
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
        {"schema: our functions fail"},
        "sql/migrations/0004_facts.sql",
    ),
    "the trigger of the rollup is gone": (
        f"DROP TRIGGER marketing_stats_daily_touch ON {ROLLUP}",
        {"schema: our triggers fail"},
        "sql/migrations/0002_marketing_stats_daily.sql",
    ),
    "the guard of the corrections is disabled": (
        "ALTER TABLE eventflow_stats.adjustments DISABLE TRIGGER adjustments_guard",
        {"schema: our triggers fail"},
        "-> ALTER TABLE eventflow_stats.adjustments ENABLE TRIGGER adjustments_guard",
    ),
    "a trigger changes what is written": (
        "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.visits := NEW.visits + 1; RETURN NEW; END';"
        f"CREATE TRIGGER more BEFORE INSERT ON {ROLLUP} FOR EACH ROW EXECUTE FUNCTION more()",
        {"schema: our triggers fail"},
        f"beside the migrations: trigger of {ROLLUP}: CREATE TRIGGER more",
    ),
    "a rule changes what is written": (
        f"CREATE RULE nothing AS ON UPDATE TO {ROLLUP} DO INSTEAD NOTHING",
        {"schema: our triggers fail"},
        f"beside the migrations: rule of {ROLLUP}: CREATE RULE nothing",
    ),
    "a login may act for the engine": (
        f"CREATE ROLE night_job_of_test LOGIN; GRANT {ENGINE} TO night_job_of_test",
        set(),
        f"{ENGINE} alone writes the rollup and the ledger, and who may act for it or for the tables' owner: "
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
        "ALTER TABLE eventflow_stats.scopes DROP COLUMN dirty_from",
        {
            "schema: our tables fail",
            # The check that names it goes with it.
            "schema: our constraints fail",
            "rollup: trust fail",
            "rollup: schedule fail",
            "rollup: facts of no client fail",
        },
        'is not migrated (column "dirty_from" does not exist)',
    ),
    "the last migrations are missing": (
        "UPDATE eventflow_stats.schema_version SET version_num = '0009_read_functions'",
        {"schema: migrations fail", *NOT_LAID},
        "0009_read_functions; missing: 0010_answers, 0011_dirty_from",
    ),
    "the database is newer": (
        "UPDATE eventflow_stats.schema_version SET version_num = '9999_later'",
        {"schema: migrations fail", *NOT_LAID},
        "9999_later, which this version does not know",
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
    "the server ends sessions that pause": (
        ON_THIS_DATABASE.format("idle_in_transaction_session_timeout = ''5s''"),
        {"server: timeouts warn"},
        "idle_in_transaction_session_timeout is 5,000 ms",
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


@pytest.mark.parametrize(("statements", "lines", "words"), MISCHIEF.values(), ids=MISCHIEF)
def test_a_planted_trouble_is_seen_as_its_lines_and_as_no_other(
    patient: Database, statements: str, lines: set[str], words: str
) -> None:
    run(patient, statements)
    found = examine_database(patient, {})
    assert troubles(found) - {UNTICKED} == lines
    assert words in "\n".join(f"{each.found} -> {each.remedy}" for each in found)


def test_the_remedy_of_lost_grants_and_disabled_triggers_is_what_restores_them(patient: Database) -> None:
    run(
        patient,
        f"REVOKE INSERT ON {ROLLUP} FROM {ENGINE}; REVOKE USAGE ON SCHEMA eventflow_stats FROM {ENGINE};"
        "REVOKE EXECUTE ON FUNCTION marketing_summary FROM authenticated;"
        "ALTER TABLE eventflow_stats.adjustments DISABLE TRIGGER adjustments_guard",
    )
    broken = {each.name: each for each in examine_schema(patient) if each.state == "fail"}
    assert set(broken) == {"our grants", "our triggers"}

    run(patient, "; ".join(str(each.remedy) for each in broken.values()))

    assert troubles(examine_schema(patient)) == set()


def test_transactions_of_long_ago_are_named_with_what_ends_them(patient: Database) -> None:
    brief = Database(patient.url.render_as_string(hide_password=False), Settings(detection_overlap=0.001))
    with connect(patient) as other:
        other.execute("BEGIN")
        other.execute("SELECT now()")
        found = examine_database(brief, {})
        assert troubles(found) == {UNTICKED, "server: transactions warn"}
        assert f"SELECT pg_terminate_backend({other.info.backend_pid})" in told(found, "transactions")
        other.execute("INSERT INTO clients (name) VALUES ('late')")
        other.execute("PREPARE TRANSACTION 'slow'")
        assert "ROLLBACK PREPARED 'slow'" in told(examine_database(brief, {}), "transactions")
        other.execute("ROLLBACK PREPARED 'slow'")


def test_a_locked_table_costs_the_lines_that_read_it_their_answer_and_no_other(patient: Database) -> None:
    hasty = Database(patient.url.render_as_string(hide_password=False), Settings(lock_timeout=0.1))
    with connect(patient) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE webinars")
        found = examine_database(hasty, {})
        other.execute("ROLLBACK")
    assert troubles(found) == {UNTICKED, "rollup: coverage fail"}
    assert "could not be looked at" in told(found, "coverage")


def test_a_login_without_rights_is_told_what_it_may_not_look_at_and_that_it_cannot_read_for_users(
    patient: Database,
) -> None:
    run(patient, "CREATE ROLE stranger LOGIN")
    try:
        url = patient.url.set(username="stranger").render_as_string(hide_password=False)
        found = examine_database(Database(url, Settings()), {})
        assert {each.state for each in found if each.area == "connection"} == {"ok"}
        assert "permission denied for schema eventflow_stats" in told(found, "migrations")
        assert "permission denied to set role" in told(found, "trust")
        reading = Database(patient.url.render_as_string(hide_password=False), Settings(api_database_url=url))
        found = examine_database(reading, {})
        assert troubles(found) == {UNTICKED, "rights: read API's login warn"}
        assert "GRANT authenticated TO stranger" in told(found, "read API's login")
    finally:
        run(patient, "DROP ROLE stranger")


def test_a_database_without_migrations_is_looked_at_as_far_as_it_goes(empty_database: Database) -> None:
    before = everything_in(empty_database)
    found = examine_database(empty_database, {})
    assert everything_in(empty_database) == before
    assert "none of" in told(found, "migrations")
    assert "eventflow-stats migrate" in told(found, "migrations")
    assert "lacks EventFlow's product tables" in told(found, "product tables")
    assert "no valid index" in told(found, "of the product")
    assert {each.state for each in found if each.area == "rollup"} == {"fail"}
    assert {each.state for each in found if each.area == "connection"} == {"ok"}


def test_the_original_rollup_that_the_migrations_took_over_is_as_they_leave_it(product_database: Database) -> None:
    run(product_database, SUPABASE_DEFAULTS)
    lay_original(product_database)
    migrate(product_database)
    found = examine_database(product_database, {})
    assert {each.state for each in found if each.area == "schema"} == {"ok"}


def test_a_database_that_does_not_answer_fails_every_line_that_would_need_it() -> None:
    away = Database("postgresql://who:s3cr3t-word@127.0.0.1:1/nowhere", Settings())
    found = examine_database(away, {})
    assert {each.state for each in found} == {"fail"}
    assert {each.area for each in found} == {"connection", "schema", "indexes", "rights", "server", "rollup"}
    assert "s3cr3t" not in str(found)
    assert "postgresql://who@127.0.0.1:1/nowhere" in told(found, "database")


def test_a_pooler_in_transaction_mode_is_told_before_anything_is_set_in_its_sessions(patient: Database) -> None:
    (path,) = rows(
        patient, "SELECT current_setting('unix_socket_directories') || '/.s.PGSQL.' || current_setting('port')"
    )[0]
    user, name = str(patient.url.username or "postgres"), str(patient.url.database)
    with transaction_pooler(path, user, name) as port:
        found = examine_database(Database(f"postgresql://{user}@127.0.0.1:{port}/{name}", Settings()), {})
        assert {each.name for each in found if each.area == "connection" and each.state != "ok"} == {"pooler"}
        assert "Supabase: port 5432" in told(found, "pooler")
        assert {each.state for each in found if each.area != "connection"} == {"fail"}
        left = rows(
            Database(f"postgresql://{user}@127.0.0.1:{port}/{name}", Settings()),
            "SELECT current_setting('default_transaction_read_only'), current_user",
        )
    assert left == [("off", user)]


def test_the_doctor_s_sessions_refuse_to_write(patient: Database) -> None:
    reading = Database(patient.url.render_as_string(hide_password=False), Settings(), read_only=True)
    for session in (reading.session, reading.login_session):
        with pytest.raises(DBAPIError, match="read-only transaction"), session() as connection:
            connection.execute(text("UPDATE eventflow_stats.upkeep SET tick_outcome = 'mine'"))


def test_clocks_are_judged_by_what_the_round_trip_leaves_open() -> None:
    second = timedelta(seconds=1)
    assert judge_clocks(4 * second, second).state == "ok"
    assert judge_clocks(-8 * second, 8 * second).state == "ok"
    assert judge_clocks(-8 * second, second).state == "warn"
    assert "8 s behind" in judge_clocks(-8 * second, second).found
    assert judge_clocks(400 * second, second).state == "fail"


def test_the_list_of_what_the_migrations_leave_is_what_they_leave(database: Database) -> None:
    now = "python -m eventflow_stats_tests.engine.left_by_the_migrations writes it anew"
    assert listed(database) == LIST.read_text(encoding="utf-8"), now
