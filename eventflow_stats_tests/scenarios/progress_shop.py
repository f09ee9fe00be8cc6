"""A product with a rollup that keeps itself right: what happens to the facts, and then one round of upkeep."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import RebuiltDay, rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.status.due_work import stale_days
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import Group, Numbers, expected_groups
from eventflow_stats_tests.rollup import stored_groups

DAY, NEXT = date(2026, 3, 4), date(2026, 3, 5)
EVER = (date(1990, 1, 1), date(2100, 1, 1))
INSERT = "INSERT INTO event_access_logs (id, campaign_id, session_id, accessed_at) VALUES (%s, %s, %s, %s)"


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


class Shop:
    """Two clients with a visit each on two days, computed, verified and up to date."""

    def __init__(self, database: Database, connection: psycopg.Connection) -> None:
        self.database, self.connection = database, connection
        self.product = Product(connection)
        self.world = self.product.world
        self.ours, self.theirs = self.product.client("ours"), self.product.client("theirs")
        self.campaign, self.other_campaign = self.product.campaign(self.ours), self.product.campaign(self.theirs)
        for campaign in (self.campaign, self.other_campaign):
            self.product.add(*(Visit(at=at(day), campaign_id=campaign, session_id="first") for day in (DAY, NEXT)))
        assert self.keep_right() == [DAY, NEXT]
        self.must_be_right()

    def detected(self) -> dict[date, int]:
        """The days with client-days that have new facts, and how many client-days."""
        return detect(self.database).stale_client_days

    def swept(self) -> dict[date, int]:
        """The computed days with client-days whose facts were changed or are gone, and how many client-days."""
        computed = self.connection.execute("SELECT bucket_date FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL")
        days = [day for (day,) in computed.fetchall()]
        return {day.day: day.changed_client_days for day in sweep(self.database, days) if day.changed_client_days}

    def keep_right(self) -> list[date]:
        """One round of upkeep: look for new and for moved facts, refresh what is stale, verify it. Returns its days."""
        self.detected()
        self.swept()
        stale = sorted(day.bucket_date for day in stale_days(self.database, *EVER))
        refreshed = [day.day for day in refresh(self.database, stale)]
        list(verify(self.database, refreshed, only_unverified=True))
        return refreshed

    def must_be_right(self) -> dict[Group, Numbers]:
        """The rollup equals the oracle, nothing is stale, everything is verified since it was computed; returns it."""
        stored = stored_groups(self.connection)
        assert stored == expected_groups(self.world, self.database.settings.bucket_timezone)
        unsettled = self.connection.execute(
            "SELECT * FROM eventflow_stats.client_days "
            "WHERE stale_since IS NOT NULL OR verified_at IS NULL OR verified_at < computed_at"
        ).fetchall()
        assert unsettled == []
        days = self.connection.execute("SELECT bucket_date, verification_result FROM eventflow_stats.days").fetchall()
        assert {result for _, result in days} == {"verified"}
        assert {day.result for day in verify(self.database, [day for day, _ in days])} == {"verified"}
        return stored

    def patient(self, **settings: Any) -> Database:
        """The same database, waiting for as long as a loaded machine needs."""
        url = self.database.url.render_as_string(hide_password=False)
        return Database(url, self.database.settings.model_copy(update={"lock_timeout": 60, **settings}))

    def waiting(self) -> int:
        """How many sessions of this database wait for a lock."""
        found = self.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
        return int((found or [0])[0])


def until(happened: Callable[[], bool]) -> None:
    """Wait for something another thread or process does."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


@contextmanager
def row_held(shop: Shop) -> Iterator[None]:
    """Another connection holds the ledger's rows: who recomputes a day has read its facts when it waits for them."""
    with connect(shop.database) as other, other.transaction(force_rollback=True):
        other.execute("SELECT FROM eventflow_stats.client_days FOR UPDATE")
        yield


class Working(threading.Thread):
    """A refresh or rebuild of DAY in a thread and on a connection of its own."""

    def __init__(self, work: Callable[..., Iterator[RebuiltDay]], database: Database) -> None:
        super().__init__()
        self.work, self.database = work, database
        self.done: list[RebuiltDay] = []
        self.failure: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.done.extend(self.work(self.database, [DAY]))
        except Exception as failure:  # noqa: BLE001 (whatever it is, the test looks at it)
            self.failure = failure


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        yield Shop(database, connection)


__all__ = ["DAY", "INSERT", "NEXT", "Shop", "Working", "at", "now", "rebuild", "refresh", "row_held", "shop", "until"]
