"""Rebuilds at once, and interrupted ones: one writer for each day, and an interruption leaves the day as it was."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import DayBusy, Failed
from eventflow_stats.settings import Settings
from eventflow_stats_tests.facts import Entry, Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups, whole_rows

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = NOON.date()
LEDGER = ("client_days", "days", "discrepancies")

REBUILD_FOR_EVER = """
import sys
from datetime import date
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.settings import Settings
database = Database(sys.argv[1], Settings())
while True:
    for day in rebuild(database, [date(2024, 5, 1)]):
        print(day.written, flush=True)
"""


@dataclass
class Shop:
    """A day whose rollup is stale: a rebuild inserts, updates and deletes rows."""

    database: Database
    product: Product
    connection: psycopg.Connection
    campaign: UUID

    @property
    def url(self) -> str:
        return self.database.url.render_as_string(hide_password=False)

    def state(self) -> list[list[tuple[object, ...]]]:
        """All rows that a rebuild may write."""
        ledger = [
            self.connection.execute(f"SELECT xmin::text, t::text FROM eventflow_stats.{name} AS t ORDER BY 2")
            for name in LEDGER
        ]
        return [whole_rows(self.connection), *(rows.fetchall() for rows in ledger)]

    def become_stale(self, session: str) -> None:
        """New facts arrive and an old one is deleted, in one transaction."""
        gone = list(self.product.world.entries.values())
        with self.connection.transaction():
            self.product.delete(gone)
            self.product.add(
                Visit(at=NOON, campaign_id=self.campaign, session_id=session),
                Entry(at=NOON, campaign_id=self.campaign, utm_source=session),
            )

    def is_right(self) -> bool:
        return stored_groups(self.connection) == expected_groups(self.product.world, "UTC")


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        product = Product(connection)
        shop = Shop(database, product, connection, product.campaign(product.client()))
        shop.become_stale("first")
        list(rebuild(database, [DAY]))
        # An open discrepancy, so that the rebuild writes to every table of the ledger.
        connection.execute("UPDATE marketing_stats_daily SET visits = 99")
        list(verify(database, [DAY]))
        shop.become_stale("second")
        yield shop


@contextmanager
def open_transaction(database: Database, statement: str) -> Iterator[None]:
    """Another connection that has run the statement in a transaction that stays open."""
    with connect(database) as other, other.transaction(force_rollback=True):
        other.execute(statement)
        yield


@contextmanager
def locked_day(database: Database) -> Iterator[None]:
    """A lock of another run that is writing the day."""
    with database.session() as connection, writing_day(database, connection, DAY):
        yield


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("what was waited for did not happen")


def is_waiting(shop: Shop) -> bool:
    here = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return shop.connection.execute(here).fetchone() is not None


def is_day_locked(shop: Shop) -> bool:
    here = (
        "SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = database "
        "WHERE locktype = 'advisory' AND granted AND d.datname = current_database()"
    )
    return shop.connection.execute(here).fetchone() is not None


@contextmanager
def rebuilding_process(shop: Shop) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, "-c", REBUILD_FOR_EVER, shop.url], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_busy_day_is_reported_and_not_changed(shop: Shop) -> None:
    before = shop.state()
    hasty = Database(shop.url, Settings(lock_timeout=0.2))
    with locked_day(shop.database):
        for work in (rebuild(hasty, [DAY]), verify(hasty, [DAY])):
            with pytest.raises(DayBusy) as message:
                list(work)
            assert message.value.day == DAY
            assert len(str(message.value).splitlines()) == 1
    assert shop.state() == before
    list(rebuild(hasty, [DAY]))
    assert shop.is_right()


def test_a_busy_day_does_not_delay_another_day(shop: Shop) -> None:
    with locked_day(shop.database):
        running = rebuild(shop.database, [DAY - timedelta(days=1), DAY])
        assert next(running).day == DAY - timedelta(days=1)


def test_a_rebuild_that_waited_sees_what_was_committed_meanwhile(shop: Shop) -> None:
    done: list[object] = []
    with locked_day(shop.database):
        waiting = threading.Thread(target=lambda: done.extend(rebuild(shop.database, [DAY])))
        waiting.start()
        wait_until(lambda: is_waiting(shop))
        shop.become_stale("committed while it waits")
    waiting.join()
    assert len(done) == 1
    assert shop.is_right()


def test_rebuilds_of_one_day_at_once_end_in_the_same_rows(shop: Shop) -> None:
    def work(clients: list[UUID] | None) -> None:
        for _ in range(5):
            list(rebuild(shop.database, [DAY], clients))

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(work, clients) for clients in (None, None, shop.product.world.clients)]
    assert [run.exception() for run in running] == [None, None, None]
    assert shop.is_right()
    before = whole_rows(shop.connection)
    assert [(day.written, day.deleted) for day in rebuild(shop.database, [DAY])] == [(0, 0)]
    assert whole_rows(shop.connection) == before


@pytest.mark.parametrize("table", ["public.marketing_stats_daily", *(f"eventflow_stats.{t}" for t in LEDGER)])
def test_kill_9_in_the_middle_of_a_rebuild_leaves_the_day_as_it_was_and_unlocks_it(shop: Shop, table: str) -> None:
    """The process is killed at a known moment: while it waits for a row that another connection has locked."""
    before = shop.state()
    with open_transaction(shop.database, f"SELECT FROM {table} FOR UPDATE"):
        with rebuilding_process(shop) as process:
            wait_until(lambda: is_waiting(shop))
            process.send_signal(signal.SIGKILL)
            process.wait()
            # The row is still locked: the day was unlocked because its process died, not because the rebuild ended.
            wait_until(lambda: not is_day_locked(shop))
        assert shop.state() == before
    list(rebuild(shop.database, [DAY]))
    assert shop.is_right()
    assert [outcome.result for outcome in verify(shop.database, [DAY])] == ["verified"]


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_the_day_either_old_or_rebuilt(shop: Shop) -> None:
    drawn = random.Random(2)
    shop.product.add(
        *(Visit(at=NOON, campaign_id=shop.campaign, session_id=str(n), utm_source=str(n % 500)) for n in range(3000))
    )
    for attempt in range(8):
        list(rebuild(shop.database, [DAY]))
        older = expected_groups(shop.product.world, "UTC")
        with rebuilding_process(shop) as process:
            assert process.stdout is not None
            process.stdout.readline()
            shop.become_stale(f"attempt {attempt}")
            time.sleep(drawn.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        wait_until(lambda: not is_day_locked(shop))
        newer = expected_groups(shop.product.world, "UTC")
        stored = stored_groups(shop.connection)
        assert stored in (older, newer)
        assert [o.result for o in verify(shop.database, [DAY])] == ["verified" if stored == newer else "stale"]


@pytest.mark.parametrize(
    ("hasty", "named"),
    [
        (Settings(statement_timeout=0.3), "EVENTFLOW_STATEMENT_TIMEOUT"),
        (Settings(lock_timeout=0.3), "lock timeout"),
    ],
)
def test_a_timeout_in_the_middle_fails_in_one_line_and_leaves_the_day_as_it_was(
    shop: Shop, hasty: Settings, named: str
) -> None:
    before = shop.state()
    with open_transaction(shop.database, "SELECT FROM eventflow_stats.client_days FOR UPDATE"):
        with pytest.raises(Failed, match=named) as message:
            list(rebuild(Database(shop.url, hasty), [DAY]))
        assert len(str(message.value).splitlines()) == 1
        assert not is_day_locked(shop)
    assert shop.state() == before
