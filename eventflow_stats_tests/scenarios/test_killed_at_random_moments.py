"""`kill -9` at fifty random moments: no wrong state is committed, and no person has to help.

After each kill, every client-day is counted as of the snapshot in its ledger row (``fact_history``). Then the next
operation must find the days free and put everything right, and a verification follows.
"""

import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.facts import connect
from eventflow_stats_tests.running import wait_until
from eventflow_stats_tests.scenarios.fact_history import (
    ClientDay,
    client_days_unlike_the_facts,
    client_days_unlike_their_snapshot,
)
from eventflow_stats_tests.scenarios.killed_worker import OPERATIONS, start_worker
from eventflow_stats_tests.scenarios.traffic import DAYS, Traffic

KILLS = {"rebuild": 15, "refresh": 15, "repair": 14, "database": 6}
FACTS = 20_000
TIMEOUT_SECONDS = 60

# Whether the worker holds the lock of a day, and whether it has begun to write the rollup. Asked just before the kill.
AT_WORK = """
SELECT
    bool_or(locktype = 'advisory' AND objsubid = 2) AS in_transaction,
    bool_or(locktype = 'relation' AND relation = 'public.marketing_stats_daily'::regclass AND mode = 'RowExclusiveLock')
FROM pg_locks JOIN pg_stat_activity AS a USING (pid)
WHERE granted AND a.datname = current_database() AND a.application_name = 'eventflow-stats' AND a.xact_start IS NOT NULL
"""
WORKERS_BACKENDS = (
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'eventflow-stats'"
)
FOUND_WRONG = "SELECT DISTINCT client_id, bucket_date FROM eventflow_stats.discrepancies WHERE repaired_at IS NULL"


class Trial:
    """Kills one operation again and again on a database under traffic, and counts what was under way."""

    def __init__(self, database: Database, operation: str) -> None:
        self.database = database
        self.operation = operation
        self.traffic = Traffic(database, FACTS)
        list(rebuild(database, DAYS))
        seed = random.SystemRandom().randrange(10**6)
        print(f"seed {seed}")
        self.drawn = random.Random(seed)
        self.under_way: Counter[str] = Counter()

    def moments(self, kills: int) -> list[float]:
        """Return this many random moments within the time that the undisturbed operation takes."""
        self.prepare()
        with self.traffic.flowing():
            worker, message = start_worker(self.database, self.operation)
            assert message.recv() == "begins"
            began = time.perf_counter()
            assert message.recv() == "done"
            seconds = time.perf_counter() - began
            worker.kill()
            worker.join()
        self.recover()
        drawn = [(number + self.drawn.random()) / kills * seconds for number in range(kills)]
        self.drawn.shuffle(drawn)
        return drawn

    def prepare(self) -> None:
        """Change the facts or the rollup, so that the operation has thousands of rows to delete, insert and update."""
        if self.operation == "repair":
            self.traffic.falsify_rollup()
            assert {day.result for day in verify(self.database, DAYS)} == {"wrong"}
        else:
            self.traffic.change_groups(str(self.drawn.random()), of_everybody=self.operation == "rebuild")

    def kill(self, moment: float, kill: Callable[[], None] | None = None) -> list[str]:
        """Kill the worker, or call ``kill``, this many seconds after the operation began, during the traffic.

        Returns the messages of the worker after its beginning."""
        self.prepare()
        with connect(self.database) as watching, self.traffic.flowing():
            worker, message = start_worker(self.database, self.operation)
            assert message.recv() == "begins"
            time.sleep(moment)
            in_transaction, writing = watching.execute(AT_WORK).fetchone() or (None, None)
            if kill is None:
                worker.kill()
            else:
                kill()
            self.under_way.update(kills=1, in_transaction=bool(in_transaction), writing=bool(writing))
            worker.join(TIMEOUT_SECONDS)
            assert worker.exitcode is not None, "the worker did not end"
        return list(iter_until_end(message))

    def check(self) -> None:
        """Assert that the killed process holds no lock, and that every number is right as of its snapshot or known as
        wrong."""
        with connect(self.database) as connection:
            wait_until(
                lambda: connection.execute(WORKERS_BACKENDS).fetchone() is None,
                TIMEOUT_SECONDS,
                "the end of the killed process's session",
                every=0.02,
            )
            assert client_days_unlike_their_snapshot(connection) == found_wrong(connection)

    def recover(self) -> None:
        """Run the same operation and a refresh, and assert that every number is right and verified."""
        OPERATIONS[self.operation](self.database)
        OPERATIONS["refresh"](self.database)
        with connect(self.database) as connection:
            assert client_days_unlike_their_snapshot(connection) == set()
            assert client_days_unlike_the_facts(connection) == set()
            assert found_wrong(connection) == set()
        assert {day.result for day in verify(self.database, DAYS)} == {"verified"}


def iter_until_end(message: Connection) -> Iterator[str]:
    with contextlib.suppress(EOFError):
        while True:
            yield message.recv()


def found_wrong(connection: psycopg.Connection) -> set[ClientDay]:
    return set(connection.execute(FOUND_WRONG).fetchall())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_process_killed_at_any_moment_commits_nothing_wrong_and_leaves_no_lock(
    database: Database, operation: str
) -> None:
    trial = Trial(database, operation)
    kills = KILLS[operation]

    for moment in trial.moments(kills):
        trial.kill(moment)
        trial.check()
        trial.recover()

    print(trial.under_way)
    assert trial.under_way["kills"] == kills
    # The numbers depend on the machine. With none at all, this test would test nothing.
    assert trial.under_way["in_transaction"] >= 3
    assert trial.under_way["writing"] >= 1


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder for a server. pytest's own folder is closed to the server's user (see ``conftest.server``)."""
    with tempfile.TemporaryDirectory(prefix="pg_") as name:
        yield Path(name)


def kill_server(folder: Path) -> None:
    """Send SIGKILL to the postmaster and every backend."""
    postmaster = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
    # It is stopped first, because it would begin to recover from the end of a child.
    postmaster.suspend()
    children = postmaster.children(recursive=True)
    for process in (postmaster, *children):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_database_killed_at_any_moment_starts_again_with_nothing_wrong_committed(folder: Path) -> None:
    with embedded_server(folder) as url:
        database = Database(url, Settings())
        create_product_tables(database)
        migrate(database)
        trial = Trial(database, "rebuild")
        moments = trial.moments(KILLS["database"])

    for number, moment in enumerate(moments):
        trial.operation = list(OPERATIONS)[number % len(OPERATIONS)]
        with embedded_server(folder):
            message = trial.kill(moment, lambda: kill_server(folder))
            # The worker reports its failure in one line.
            assert "no connection" in message[-1], message
            assert len(message[-1].splitlines()) == 1
        with embedded_server(folder):
            trial.check()
            trial.recover()

    print(trial.under_way)
    assert trial.under_way["kills"] == KILLS["database"]
    assert trial.under_way["in_transaction"] >= 1
