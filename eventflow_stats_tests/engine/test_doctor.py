"""The doctor's checks of a database: one problem at a time, which exactly its lines report."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from eventflow_stats.engine.doctor.check_result import DoctorLine
from eventflow_stats.engine.doctor.connection import compare_clocks
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
    """The lines that are not ok."""
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
def copied(cluster: Cluster, computed: str) -> Iterator[Database]:
    url = cluster.create(computed)
    yield Database(url, Settings())
    cluster.drop(url)


def test_in_a_healthy_database_the_only_problem_is_that_no_schedule_runs(copied: Database) -> None:
    before = everything_in(copied)
    found = check_database(copied, {})
    assert troubles(found) == {UNTICKED}
    assert "eventflow-stats up" in message(found, "schedule")
    assert everything_in(copied) == before


@pytest.mark.parametrize(("statements", "lines", "words"), MISCHIEF.values(), ids=MISCHIEF)
def test_a_problem_is_reported_by_exactly_its_lines(
    copied: Database, statements: str, lines: set[str], words: str
) -> None:
    run(copied, statements)
    found = check_database(copied, {})
    assert troubles(found) - {UNTICKED} == lines
    assert words in "\n".join(f"{each.found} -> {each.remedy}" for each in found)


def test_the_remedies_restore_lost_grants_and_disabled_triggers(copied: Database) -> None:
    run(
        copied,
        f"REVOKE INSERT ON {ROLLUP} FROM {ENGINE}; REVOKE USAGE ON SCHEMA eventflow_stats FROM {ENGINE};"
        "REVOKE EXECUTE ON FUNCTION marketing_summary FROM authenticated;"
        "ALTER TABLE eventflow_stats.adjustments DISABLE TRIGGER adjustments_guard",
    )
    broken = {each.name: each for each in check_schema(copied) if each.state == "fail"}
    assert set(broken) == {"our grants", "our triggers"}

    run(copied, "; ".join(str(each.remedy) for each in broken.values()))

    assert troubles(check_schema(copied)) == set()


def test_an_old_transaction_is_named_with_the_statement_that_ends_it(copied: Database) -> None:
    brief = Database(copied.url.render_as_string(hide_password=False), Settings(detection_overlap=0.001))
    with connect(copied) as other:
        other.execute("BEGIN")
        other.execute("SELECT now()")
        found = check_database(brief, {})
        assert troubles(found) == {UNTICKED, "server: transactions warn"}
        assert f"SELECT pg_terminate_backend({other.info.backend_pid})" in message(found, "transactions")
        other.execute("INSERT INTO clients (name) VALUES ('late')")
        other.execute("PREPARE TRANSACTION 'slow'")
        assert "ROLLBACK PREPARED 'slow'" in message(check_database(brief, {}), "transactions")
        other.execute("ROLLBACK PREPARED 'slow'")


def test_a_locked_table_fails_only_the_checks_that_read_it(copied: Database) -> None:
    hasty = Database(copied.url.render_as_string(hide_password=False), Settings(lock_timeout=0.1))
    with connect(copied) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE webinars")
        found = check_database(hasty, {})
        other.execute("ROLLBACK")
    assert troubles(found) == {UNTICKED, "rollup: coverage fail"}
    assert "could not be checked" in message(found, "coverage")


def test_for_a_login_without_rights_each_missing_right_is_reported(
    copied: Database,
) -> None:
    run(copied, "CREATE ROLE stranger LOGIN")
    try:
        url = copied.url.set(username="stranger").render_as_string(hide_password=False)
        found = check_database(Database(url, Settings()), {})
        assert {each.state for each in found if each.area == "connection"} == {"ok"}
        assert "permission denied for schema eventflow_stats" in message(found, "migrations")
        assert "permission denied to set role" in message(found, "trust")
        reading = Database(copied.url.render_as_string(hide_password=False), Settings(api_database_url=url))
        found = check_database(reading, {})
        assert troubles(found) == {UNTICKED, "rights: read API's login warn"}
        assert "GRANT authenticated TO stranger" in message(found, "read API's login")
    finally:
        run(copied, "DROP ROLE stranger")


def test_a_database_without_migrations_is_checked_as_far_as_possible(empty_database: Database) -> None:
    before = everything_in(empty_database)
    found = check_database(empty_database, {})
    assert everything_in(empty_database) == before
    assert "none of" in message(found, "migrations")
    assert "eventflow-stats migrate" in message(found, "migrations")
    assert "lacks EventFlow's product tables" in message(found, "product tables")
    assert "no valid index on" in message(found, "product's indexes")
    assert {each.state for each in found if each.area == "rollup"} == {"fail"}
    assert {each.state for each in found if each.area == "connection"} == {"ok"}


def test_an_original_rollup_that_the_migrations_adopted_is_ok(product_database: Database) -> None:
    run(product_database, SUPABASE_DEFAULTS)
    create_original(product_database)
    migrate(product_database)
    found = check_database(product_database, {})
    assert {each.state for each in found if each.area == "schema"} == {"ok"}


def test_without_a_database_every_check_that_needs_it_fails() -> None:
    away = Database("postgresql://who:s3cr3t-word@127.0.0.1:1/nowhere", Settings())
    found = check_database(away, {})
    assert {each.state for each in found} == {"fail"}
    assert {each.area for each in found} == {"connection", "schema", "indexes", "rights", "server", "rollup"}
    assert "s3cr3t" not in str(found)
    assert "postgresql://who@127.0.0.1:1/nowhere" in message(found, "database")


def test_a_pooler_in_transaction_mode_is_reported_before_anything_is_set_in_its_sessions(copied: Database) -> None:
    (path,) = rows(
        copied, "SELECT current_setting('unix_socket_directories') || '/.s.PGSQL.' || current_setting('port')"
    )[0]
    user, name = str(copied.url.username or "postgres"), str(copied.url.database)
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


def test_the_doctor_s_sessions_refuse_to_write(copied: Database) -> None:
    reading = Database(copied.url.render_as_string(hide_password=False), Settings(), read_only=True)
    for session in (reading.session, reading.login_session):
        with pytest.raises(ReadOnly, match="read-only transaction"), session() as connection:
            connection.execute(text("UPDATE eventflow_stats.progress SET tick_outcome = 'mine'"))


def test_the_difference_of_clocks_allows_for_the_round_trip() -> None:
    second = timedelta(seconds=1)
    assert compare_clocks(4 * second, second).state == "ok"
    assert compare_clocks(-8 * second, 8 * second).state == "ok"
    assert compare_clocks(-8 * second, second).state == "warn"
    assert "8 s behind" in compare_clocks(-8 * second, second).found
    assert compare_clocks(400 * second, second).state == "fail"


def test_the_list_of_our_objects_equals_a_migrated_database(database: Database) -> None:
    now = "python -m eventflow_stats_tests.engine.postgres.left_by_the_migrations writes it anew"
    assert listed(database) == LIST.read_text(encoding="utf-8"), now
