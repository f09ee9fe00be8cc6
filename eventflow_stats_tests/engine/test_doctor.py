"""The doctor on a database: one planted trouble at a time, each seen as its lines and as no other."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from eventflow_stats.engine.doctor.connection import compare_clocks
from eventflow_stats.engine.doctor.check_result import DoctorLine
from eventflow_stats.engine.doctor.database import check_database
from eventflow_stats.engine.doctor.schema import check_schema
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import ReadOnly
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.mischief import ENGINE, MISCHIEF, ROLLUP, UNTICKED
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, rows, run
from eventflow_stats_tests.engine.postgres.left_by_the_migrations import LIST, listed
from eventflow_stats_tests.engine.postgres.original_table import SUPABASE_DEFAULTS, create_original
from eventflow_stats_tests.facts import Product, Visit
from eventflow_stats_tests.facts import connect as connect_product
from eventflow_stats_tests.transaction_pooler import transaction_pooler

DAYS = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)]


def troubles(found: list[DoctorLine]) -> set[str]:
    return {f"{each.area}: {each.name} {each.state}" for each in found if each.state != "ok"}


def message(found: list[DoctorLine], name: str) -> str:
    [each] = [each for each in found if each.name == name]
    return f"{each.found} -> {each.remedy}"


@pytest.fixture(scope="module")
def computed(cluster: Cluster) -> str:
    """The name of a database with two days of one client, computed and verified; the tests work on copies."""
    database = Database(cluster.migrated("UTC"), Settings())
    with connect_product(database) as connection:
        product = Product(connection)
        campaign = product.campaign(product.client())
        product.add(*(visit(day, campaign) for day in DAYS[:2]))
    list(rebuild(database, DAYS[:2]))
    list(verify(database, DAYS[:2]))
    return str(database.url.database)


def visit(day: date, campaign: object) -> Visit:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return Visit(at=noon, ingested_at=datetime.now(UTC), campaign_id=campaign, session_id="a")  # type: ignore[arg-type]


@pytest.fixture
def patient(cluster: Cluster, computed: str) -> Iterator[Database]:
    url = cluster.create(computed)
    yield Database(url, Settings())
    cluster.drop(url)


def test_a_database_that_is_well_has_nothing_to_be_reported_but_that_no_schedule_runs(patient: Database) -> None:
    before = everything_in(patient)
    found = check_database(patient, {})
    assert troubles(found) == {UNTICKED}
    assert "eventflow-stats up" in message(found, "schedule")
    assert everything_in(patient) == before


@pytest.mark.parametrize(("statements", "lines", "words"), MISCHIEF.values(), ids=MISCHIEF)
def test_a_planted_trouble_is_seen_as_its_lines_and_as_no_other(
    patient: Database, statements: str, lines: set[str], words: str
) -> None:
    run(patient, statements)
    found = check_database(patient, {})
    assert troubles(found) - {UNTICKED} == lines
    assert words in "\n".join(f"{each.found} -> {each.remedy}" for each in found)


def test_the_remedy_of_lost_grants_and_disabled_triggers_is_what_restores_them(patient: Database) -> None:
    run(
        patient,
        f"REVOKE INSERT ON {ROLLUP} FROM {ENGINE}; REVOKE USAGE ON SCHEMA eventflow_stats FROM {ENGINE};"
        "REVOKE EXECUTE ON FUNCTION marketing_summary FROM authenticated;"
        "ALTER TABLE eventflow_stats.adjustments DISABLE TRIGGER adjustments_guard",
    )
    broken = {each.name: each for each in check_schema(patient) if each.state == "fail"}
    assert set(broken) == {"our grants", "our triggers"}

    run(patient, "; ".join(str(each.remedy) for each in broken.values()))

    assert troubles(check_schema(patient)) == set()


def test_transactions_of_long_ago_are_named_with_what_ends_them(patient: Database) -> None:
    brief = Database(patient.url.render_as_string(hide_password=False), Settings(detection_overlap=0.001))
    with connect(patient) as other:
        other.execute("BEGIN")
        other.execute("SELECT now()")
        found = check_database(brief, {})
        assert troubles(found) == {UNTICKED, "server: transactions warn"}
        assert f"SELECT pg_terminate_backend({other.info.backend_pid})" in message(found, "transactions")
        other.execute("INSERT INTO clients (name) VALUES ('late')")
        other.execute("PREPARE TRANSACTION 'slow'")
        assert "ROLLBACK PREPARED 'slow'" in message(check_database(brief, {}), "transactions")
        other.execute("ROLLBACK PREPARED 'slow'")


def test_a_locked_table_costs_the_lines_that_read_it_their_answer_and_no_other(patient: Database) -> None:
    hasty = Database(patient.url.render_as_string(hide_password=False), Settings(lock_timeout=0.1))
    with connect(patient) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE webinars")
        found = check_database(hasty, {})
        other.execute("ROLLBACK")
    assert troubles(found) == {UNTICKED, "rollup: coverage fail"}
    assert "could not be checked" in message(found, "coverage")


def test_a_login_without_rights_is_reported_what_it_may_not_look_at_and_that_it_cannot_read_for_users(
    patient: Database,
) -> None:
    run(patient, "CREATE ROLE stranger LOGIN")
    try:
        url = patient.url.set(username="stranger").render_as_string(hide_password=False)
        found = check_database(Database(url, Settings()), {})
        assert {each.state for each in found if each.area == "connection"} == {"ok"}
        assert "permission denied for schema eventflow_stats" in message(found, "migrations")
        assert "permission denied to set role" in message(found, "trust")
        reading = Database(patient.url.render_as_string(hide_password=False), Settings(api_database_url=url))
        found = check_database(reading, {})
        assert troubles(found) == {UNTICKED, "rights: read API's login warn"}
        assert "GRANT authenticated TO stranger" in message(found, "read API's login")
    finally:
        run(patient, "DROP ROLE stranger")


def test_a_database_without_migrations_is_looked_at_as_far_as_it_goes(empty_database: Database) -> None:
    before = everything_in(empty_database)
    found = check_database(empty_database, {})
    assert everything_in(empty_database) == before
    assert "none of" in message(found, "migrations")
    assert "eventflow-stats migrate" in message(found, "migrations")
    assert "lacks EventFlow's product tables" in message(found, "product tables")
    assert "no valid index on" in message(found, "product's indexes")
    assert {each.state for each in found if each.area == "rollup"} == {"fail"}
    assert {each.state for each in found if each.area == "connection"} == {"ok"}


def test_the_original_rollup_that_the_migrations_took_over_is_as_they_leave_it(product_database: Database) -> None:
    run(product_database, SUPABASE_DEFAULTS)
    create_original(product_database)
    migrate(product_database)
    found = check_database(product_database, {})
    assert {each.state for each in found if each.area == "schema"} == {"ok"}


def test_a_database_that_does_not_answer_fails_every_line_that_would_need_it() -> None:
    away = Database("postgresql://who:s3cr3t-word@127.0.0.1:1/nowhere", Settings())
    found = check_database(away, {})
    assert {each.state for each in found} == {"fail"}
    assert {each.area for each in found} == {"connection", "schema", "indexes", "rights", "server", "rollup"}
    assert "s3cr3t" not in str(found)
    assert "postgresql://who@127.0.0.1:1/nowhere" in message(found, "database")


def test_a_pooler_in_transaction_mode_is_reported_before_anything_is_set_in_its_sessions(patient: Database) -> None:
    (path,) = rows(
        patient, "SELECT current_setting('unix_socket_directories') || '/.s.PGSQL.' || current_setting('port')"
    )[0]
    user, name = str(patient.url.username or "postgres"), str(patient.url.database)
    with transaction_pooler(path, user, name) as port:
        found = check_database(Database(f"postgresql://{user}@127.0.0.1:{port}/{name}", Settings()), {})
        assert {each.name for each in found if each.area == "connection" and each.state != "ok"} == {"pooler"}
        assert "Supabase: port 5432" in message(found, "pooler")
        assert {each.state for each in found if each.area != "connection"} == {"fail"}
        left = rows(
            Database(f"postgresql://{user}@127.0.0.1:{port}/{name}", Settings()),
            "SELECT current_setting('default_transaction_read_only'), current_user",
        )
    assert left == [("off", user)]


def test_the_doctor_s_sessions_refuse_to_write(patient: Database) -> None:
    reading = Database(patient.url.render_as_string(hide_password=False), Settings(), read_only=True)
    for session in (reading.session, reading.login_session):
        with pytest.raises(ReadOnly, match="read-only transaction"), session() as connection:
            connection.execute(text("UPDATE eventflow_stats.progress SET tick_outcome = 'mine'"))


def test_clocks_are_judged_by_what_the_round_trip_leaves_open() -> None:
    second = timedelta(seconds=1)
    assert compare_clocks(4 * second, second).state == "ok"
    assert compare_clocks(-8 * second, 8 * second).state == "ok"
    assert compare_clocks(-8 * second, second).state == "warn"
    assert "8 s behind" in compare_clocks(-8 * second, second).found
    assert compare_clocks(400 * second, second).state == "fail"


def test_the_list_of_what_the_migrations_leave_is_what_they_leave(database: Database) -> None:
    now = "python -m eventflow_stats_tests.engine.postgres.left_by_the_migrations writes it anew"
    assert listed(database) == LIST.read_text(encoding="utf-8"), now
