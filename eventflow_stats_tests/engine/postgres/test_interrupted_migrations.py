"""Migrations that are killed, fail, wait or run at once: the database is whole and can go on."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventflow_stats.engine.postgres import migrations
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import applied_migration, migrate, migration_names
from eventflow_stats.errors import Refused
from eventflow_stats.settings import Settings
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, rows, run, schema_of
from eventflow_stats_tests.engine.postgres.original_table import create_original

NAMES = migration_names()
MADE = "made again (views and functions of this version)"
INVALID_INDEXES = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
FACT_INDEXES = """
    SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE c.relname LIKE '%\\_brin' ORDER BY 1
"""


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


def test_an_index_left_invalid_by_an_interrupted_build_is_replaced(
    product_database: Database, newest_schema: str
) -> None:
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
    assert all("INDEX" in statement for statement in migrate(product_database))
    assert rows(product_database, FACT_INDEXES) == [
        ("event_access_logs_accessed_brin", True),
        ("event_access_logs_created_brin", True),
        ("event_survey_entries_created_brin", True),
    ]
    assert schema_of(product_database) == newest_schema


def kill_a_migrator_that_waits(database: Database, lock: str) -> None:
    url = database.url.render_as_string(hide_password=False)
    program = (
        "import sys; from eventflow_stats.engine.postgres.database import Database; "
        "from eventflow_stats.engine.postgres.migrations import migrate; "
        "from eventflow_stats.settings import Settings; "
        "migrate(Database(sys.argv[1], Settings()))"
    )
    other = connect(database)
    with other.transaction():
        other.execute(lock.encode())
        process = subprocess.Popen([sys.executable, "-c", program, url])
        wait_until(lambda: migrator_waits_for_a_lock(database))
        process.kill()
        process.wait()
    other.close()
    wait_until(lambda: sessions_of_migrators(database) == 0)


@pytest.mark.parametrize(
    ("lock", "kept"),
    [
        # The file that makes the rollup: the first of its statements have run when this one waits.
        ("LOCK TABLE public.marketing_stats_daily IN ACCESS SHARE MODE", "0002_superseded_rows"),
        # The file that adopts it: every row of it is locked.
        ("SELECT FROM public.marketing_stats_daily FOR UPDATE", "0003_marketing_stats_daily"),
    ],
)
def test_a_migrator_killed_in_the_middle_of_a_migration_leaves_the_ones_before_it_whole(
    product_database: Database, lock: str, kept: str
) -> None:
    create_original(product_database)
    migrate(product_database, until=kept)
    before = everything_in(product_database)
    kill_a_migrator_that_waits(product_database, lock)
    assert everything_in(product_database) == before
    assert migrate(product_database) == NAMES[NAMES.index(kept) + 1 :]
    assert migrate(product_database) == []


def test_a_migrator_killed_while_it_makes_views_and_functions_leaves_none(
    product_database: Database, newest_schema: str
) -> None:
    kill_a_migrator_that_waits(product_database, "LOCK TABLE public.clients IN ACCESS EXCLUSIVE MODE")
    assert applied_migration(product_database) == NAMES[-1]
    ours = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'eventflow_stats'::regnamespace"
    assert rows(product_database, ours) == [(0,)]
    assert migrate(product_database)[0] == MADE
    assert schema_of(product_database) == newest_schema


def test_a_migration_that_fails_leaves_the_ones_before_it_whole(product_database: Database, newest_schema: str) -> None:
    migrate(product_database, until="0007_day_decisions")
    # The next table is already there and is something else: its index cannot be made.
    run(product_database, "CREATE TABLE eventflow_stats.discrepancies (something integer)")
    before = everything_in(product_database)
    with pytest.raises(Exception, match=r'^a migration failed: column "repaired_at" does not exist; '):
        migrate(product_database)
    assert everything_in(product_database) == before
    run(product_database, "DROP TABLE eventflow_stats.discrepancies")
    assert migrate(product_database) == NAMES[7:]
    assert schema_of(product_database) == newest_schema


def test_a_migration_gives_up_when_a_table_stays_locked_and_can_be_run_again(
    product_database: Database, newest_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "100ms")
    with connect(product_database) as other, other.transaction():
        other.execute("LOCK TABLE public.event_survey_entries IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Refused, match="a table stayed locked for 100ms"):
            migrate(product_database)
    assert migrate(product_database)[0] == MADE
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
    writer = connect(product_database)
    with ThreadPoolExecutor() as pool:
        with writer.transaction():
            writer.execute("LOCK TABLE public.event_access_logs IN ROW EXCLUSIVE MODE")
            first = pool.submit(migrate, product_database)
            wait_until(lambda: migrator_waits_for_a_lock(product_database))
            second = pool.submit(migrate, product_database)
            wait_until(lambda: sessions_of_migrators(product_database) == 2)
            time.sleep(0.3)
        assert first.result() == NAMES
        assert second.result() == []
    writer.close()
    assert schema_of(product_database) == newest_schema


def test_a_migrator_does_not_wait_for_another_without_end(product_database: Database) -> None:
    impatient = Database(product_database.url.render_as_string(hide_password=False), Settings(lock_timeout=0.1))
    writer = connect(product_database)
    with ThreadPoolExecutor() as pool:
        with writer.transaction():
            writer.execute("LOCK TABLE public.event_access_logs IN ROW EXCLUSIVE MODE")
            first = pool.submit(migrate, product_database)
            wait_until(lambda: migrator_waits_for_a_lock(product_database))
            with pytest.raises(Refused, match="another migration"):
                migrate(impatient)
        assert first.result() == NAMES
    writer.close()
