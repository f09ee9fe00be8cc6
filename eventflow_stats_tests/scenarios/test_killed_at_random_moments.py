"""`kill -9` at random moments, fifty times and more: no wrong state is ever committed, and nobody has to help.

Each kill is followed by a count of every client-day as of the snapshot its ledger row names (``fact_history``), by the next
operation, which must find the days free and put everything right, and by a verification.
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
PATIENCE_SECONDS = 60

# Which day's lock the worker holds, and whether it has begun to write the rollup: looked at just before the kill.
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
    """One operation on a database under traffic, killed again and again; what was under way when it was."""

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
        """So many moments, spread at random over the time that the undisturbed operation takes."""
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
        """Give the operation thousands of rows to delete, insert and update."""
        if self.operation == "repair":
            self.traffic.spoil()
            assert {day.result for day in verify(self.database, DAYS)} == {"wrong"}
        else:
            self.traffic.stir(str(self.drawn.random()), of_everybody=self.operation == "rebuild")

    def kill(self, moment: float, kill: Callable[[], None] | None = None) -> list[str]:
        """Kill the operation (or what ``kill`` kills) that many seconds after its beginning, amid the traffic.
        Returns what the worker told after its beginning."""
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
            worker.join(PATIENCE_SECONDS)
            assert worker.exitcode is not None, "the worker did not end"
        return list(iter_until_end(message))

    def check(self) -> None:
        """Nothing of the killed process is left, and every number is one that the ledger accounts for."""
        with connect(self.database) as connection:
            wait_until(
                lambda: connection.execute(WORKERS_BACKENDS).fetchone() is None,
                PATIENCE_SECONDS,
                "the killed process to let go of the days",
                every=0.02,
            )
            assert client_days_unlike_their_snapshot(connection) == found_wrong(connection)

    def recover(self) -> None:
        """The same operation once more, and the next refresh: all is right, and verified to be."""
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
def test_a_process_killed_at_any_moment_commits_nothing_wrong_and_keeps_nothing_locked(
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
    # How many depends on the machine; none at all would be a test of nothing.
    assert trial.under_way["in_transaction"] >= 3
    assert trial.under_way["writing"] >= 1


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a server of one's own. Not below pytest's, which is closed to the server's user (see ``conftest.server``)."""
    with tempfile.TemporaryDirectory(prefix="pg_") as name:
        yield Path(name)


def kill_server(folder: Path) -> None:
    """SIGKILL to the postmaster and every backend."""
    postmaster = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
    # Stopped first: it would begin to recover from the death of a child.
    postmaster.suspend()
    children = postmaster.children(recursive=True)
    for process in (postmaster, *children):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_database_killed_at_any_moment_comes_up_with_nothing_wrong_committed(folder: Path) -> None:
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
            # Whoever was at work is reported in one line.
            assert "no connection" in message[-1], message
            assert len(message[-1].splitlines()) == 1
        with embedded_server(folder):
            trial.check()
            trial.recover()

    print(trial.under_way)
    assert trial.under_way["kills"] == KILLS["database"]
    assert trial.under_way["in_transaction"] >= 1
