"""Migrations: every way to the newest schema ends in the same schema, whatever interrupts it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventflow_stats.engine import migrations
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.migrations import applied_migration, migrate, migration_names
from eventflow_stats.engine.sql import shipped
from eventflow_stats.errors import Refused
from eventflow_stats.local.product_tables import lay_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.inspecting import connect, everything_in, rows, run, schema_of

NAMES = migration_names()
INVALID_INDEXES = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
FACT_INDEXES = """
    SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE c.relname LIKE '%\\_brin' ORDER BY 1
"""


@pytest.fixture
def product_database(empty_database: Database) -> Database:
    """A database with the product's tables and none of ours."""
    lay_product_tables(empty_database)
    return empty_database


@pytest.fixture(scope="module")
def newest_schema(cluster: Cluster) -> str:
    return schema_of(Database(cluster.migrated("UTC"), Settings()))


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def migrator_waits_for_a_lock(database: Database) -> bool:
    return bool(
        rows(
            database,
            """SELECT FROM pg_stat_activity WHERE application_name = 'eventflow-stats'
            AND datname = current_database() AND wait_event_type = 'Lock'""",
        )
    )


def sessions_of_migrators(database: Database) -> int:
    return len(
        rows(
            database,
            """SELECT FROM pg_stat_activity WHERE application_name = 'eventflow-stats'
            AND datname = current_database()""",
        )
    )


@pytest.mark.parametrize("step", NAMES)
def test_migrating_from_any_earlier_step_ends_in_the_schema_of_migrating_from_zero(
    product_database: Database, newest_schema: str, step: str
) -> None:
    until = NAMES.index(step) + 1
    assert migrate(product_database, until=step) == NAMES[:until]
    assert applied_migration(product_database) == step
    assert migrate(product_database) == NAMES[until:]
    assert applied_migration(product_database) == NAMES[-1]
    assert schema_of(product_database) == newest_schema


def test_migrating_again_applies_nothing_and_changes_nothing(database: Database) -> None:
    before = everything_in(database)
    assert migrate(database) == []
    assert migrate(database, until=NAMES[0]) == []
    assert everything_in(database) == before


@pytest.mark.parametrize("name", NAMES)
def test_running_a_migration_file_by_hand_on_a_migrated_database_changes_nothing(
    database: Database, name: str
) -> None:
    run(
        database,
        """INSERT INTO public.marketing_stats_daily (id, client_id, bucket_date, visits)
        SELECT eventflow_stats.group_id(client, '2026-02-01', NULL, NULL, NULL, NULL, NULL), client,
            '2026-02-01', 3
        FROM gen_random_uuid() AS client""",
    )
    before = everything_in(database)
    statements = shipped("sql", "migrations", f"{name}.sql").read_text(encoding="utf-8")
    with connect(database) as connection:
        connection.execute("SET eventflow_stats.bucket_timezone = 'UTC'")
        if statements.startswith("-- transactional: no"):
            for statement in statements.split(";\n"):
                connection.execute(statement.encode())
        else:
            with connection.transaction():
                connection.execute(statements.encode())
    assert everything_in(database) == before


def test_the_applied_migration_is_none_before_the_first(product_database: Database) -> None:
    before = everything_in(product_database)
    assert applied_migration(product_database) is None
    assert everything_in(product_database) == before


def test_an_index_left_invalid_by_an_interrupted_build_is_replaced(
    product_database: Database, newest_schema: str
) -> None:
    migrate(product_database, until=NAMES[-2])
    writer = connect(product_database)
    with ThreadPoolExecutor() as pool, writer.transaction():
        writer.execute("LOCK TABLE public.event_access_logs IN ROW EXCLUSIVE MODE")
        migrating = pool.submit(migrate, product_database)
        wait_until(lambda: migrator_waits_for_a_lock(product_database))
        run(
            product_database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'eventflow-stats' AND datname = current_database()",
        )
        with pytest.raises(Refused, match="no connection"):
            migrating.result()
    writer.close()
    assert rows(product_database, INVALID_INDEXES) == [("event_access_logs_accessed_brin",)]
    assert migrate(product_database) == NAMES[-1:]
    assert rows(product_database, FACT_INDEXES) == [
        ("event_access_logs_accessed_brin", True),
        ("event_access_logs_created_brin", True),
        ("event_survey_entries_created_brin", True),
    ]
    assert schema_of(product_database) == newest_schema


@pytest.mark.parametrize(
    ("blocked_by", "kept"),
    [
        # In the middle of the file: the first of its statements have run when this one waits.
        ("LOCK TABLE public.event_survey_entries IN ACCESS EXCLUSIVE MODE", "0003_ledger"),
        ("LOCK TABLE public.clients IN ACCESS EXCLUSIVE MODE", "0003_ledger"),
        ("LOCK TABLE public.marketing_stats_daily IN ACCESS SHARE MODE", "0004_facts"),
    ],
)
def test_a_migrator_killed_in_the_middle_of_a_migration_leaves_the_ones_before_it_whole(
    product_database: Database, newest_schema: str, blocked_by: str, kept: str
) -> None:
    migrate(product_database, until=kept)
    before = everything_in(product_database)
    url = product_database.url.render_as_string(hide_password=False)
    program = (
        "import sys; from eventflow_stats.engine.database import Database; "
        "from eventflow_stats.engine.migrations import migrate; "
        "from eventflow_stats.settings import Settings; "
        "migrate(Database(sys.argv[1], Settings()))"
    )
    other = connect(product_database)
    with other.transaction():
        other.execute(blocked_by.encode())
        process = subprocess.Popen([sys.executable, "-c", program, url])
        wait_until(lambda: migrator_waits_for_a_lock(product_database))
        process.kill()
        process.wait()
    other.close()
    wait_until(lambda: sessions_of_migrators(product_database) == 0)
    assert everything_in(product_database) == before
    assert migrate(product_database) == NAMES[NAMES.index(kept) + 1 :]
    assert schema_of(product_database) == newest_schema


def test_a_migration_that_fails_leaves_the_ones_before_it_whole(
    product_database: Database, newest_schema: str
) -> None:
    migrate(product_database, until="0002_marketing_stats_daily")
    # The ledger's third table is already there and is something else: its index cannot be made.
    run(product_database, "CREATE TABLE eventflow_stats.discrepancies (something integer)")
    before = everything_in(product_database)
    with pytest.raises(Exception, match="client_id"):
        migrate(product_database)
    assert everything_in(product_database) == before
    run(product_database, "DROP TABLE eventflow_stats.discrepancies")
    assert migrate(product_database) == NAMES[2:]
    assert schema_of(product_database) == newest_schema


def test_a_migration_gives_up_when_a_table_stays_locked_and_can_be_run_again(
    product_database: Database, newest_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "100ms")
    migrate(product_database, until="0003_ledger")
    before = everything_in(product_database)
    with connect(product_database) as other, other.transaction():
        other.execute("LOCK TABLE public.event_survey_entries IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Refused, match="a table stayed locked for 100ms"):
            migrate(product_database)
    assert everything_in(product_database) == before
    assert migrate(product_database) == NAMES[3:]
    assert schema_of(product_database) == newest_schema


def test_two_migrators_at_once_both_succeed(product_database: Database, newest_schema: str) -> None:
    together = threading.Barrier(2)

    def migrator() -> list[str]:
        together.wait()
        return migrate(product_database)

    with ThreadPoolExecutor() as pool:
        outcomes = [future.result() for future in [pool.submit(migrator), pool.submit(migrator)]]
    assert sorted(outcomes) == [[], NAMES]
    assert schema_of(product_database) == newest_schema


def test_a_migrator_that_waits_for_another_does_not_block_its_index_builds(
    product_database: Database, newest_schema: str
) -> None:
    # Building an index concurrently waits for every older snapshot: a migrator that waited for its turn
    # inside a statement would hold one, and the two would wait for each other.
    migrate(product_database, until=NAMES[-2])
    writer = connect(product_database)
    with ThreadPoolExecutor() as pool:
        with writer.transaction():
            writer.execute("LOCK TABLE public.event_access_logs IN ROW EXCLUSIVE MODE")
            first = pool.submit(migrate, product_database)
            wait_until(lambda: migrator_waits_for_a_lock(product_database))
            second = pool.submit(migrate, product_database)
            wait_until(lambda: sessions_of_migrators(product_database) == 2)
            time.sleep(0.3)
        assert first.result() == NAMES[-1:]
        assert second.result() == []
    writer.close()
    assert schema_of(product_database) == newest_schema


def test_a_migrator_does_not_wait_for_another_without_end(product_database: Database) -> None:
    impatient = Database(
        product_database.url.render_as_string(hide_password=False), Settings(lock_timeout=0.1)
    )
    migrate(product_database, until=NAMES[-2])
    writer = connect(product_database)
    with ThreadPoolExecutor() as pool:
        with writer.transaction():
            writer.execute("LOCK TABLE public.event_access_logs IN ROW EXCLUSIVE MODE")
            first = pool.submit(migrate, product_database)
            wait_until(lambda: migrator_waits_for_a_lock(product_database))
            with pytest.raises(Refused, match="another migration"):
                migrate(impatient)
        assert first.result() == NAMES[-1:]
    writer.close()
