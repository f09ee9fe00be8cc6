"""A small product with a rollup, and one round of maintenance: detect, sweep, refresh, verify."""

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
        assert self.maintain() == [DAY, NEXT]
        self.require_right_rollup()

    def detected(self) -> dict[date, int]:
        """Detect new facts; returns how many client-days of each day have some."""
        return detect(self.database).stale_client_days

    def swept(self) -> dict[date, int]:
        """Sweep all computed days; returns how many client-days of each have changed or deleted facts."""
        computed = self.connection.execute("SELECT bucket_date FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL")
        days = [day for (day,) in computed.fetchall()]
        return {day.day: day.changed_client_days for day in sweep(self.database, days) if day.changed_client_days}

    def maintain(self) -> list[date]:
        """Detect and sweep, refresh what is stale, and verify it; returns the days that were refreshed."""
        self.detected()
        self.swept()
        stale = sorted(day.bucket_date for day in stale_days(self.database, *EVER))
        refreshed = [day.day for day in refresh(self.database, stale)]
        list(verify(self.database, refreshed, only_unverified=True))
        return refreshed

    def require_right_rollup(self) -> dict[Group, Numbers]:
        """Assert that the rollup equals the oracle, nothing is stale, everything is verified; returns the rollup."""
        stored = stored_groups(self.connection)
        assert stored == expected_groups(self.world, self.database.settings.bucket_timezone)
        not_verified = self.connection.execute(
            "SELECT * FROM eventflow_stats.client_days "
            "WHERE stale_since IS NOT NULL OR verified_at IS NULL OR verified_at < computed_at"
        ).fetchall()
        assert not_verified == []
        days = self.connection.execute("SELECT bucket_date, verification_result FROM eventflow_stats.days").fetchall()
        assert {result for _, result in days} == {"verified"}
        assert {day.result for day in verify(self.database, [day for day, _ in days])} == {"verified"}
        return stored

    def with_long_timeout(self, **settings: Any) -> Database:
        """Return the same database with a lock timeout that is long enough for a busy machine."""
        url = self.database.url.render_as_string(hide_password=False)
        return Database(url, self.database.settings.model_copy(update={"lock_timeout": 60, **settings}))

    def waiting_sessions(self) -> int:
        """Return how many sessions of this database wait for a lock."""
        found = self.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
        return int((found or [0])[0])


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until another thread or process has done something."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "nothing happened for 60 seconds"
        time.sleep(0.01)


@contextmanager
def ledger_rows_locked(shop: Shop) -> Iterator[None]:
    """Lock the ledger's rows. A rebuild or refresh reads its facts and then waits for these rows."""
    with connect(shop.database) as other, other.transaction(force_rollback=True):
        other.execute("SELECT FROM eventflow_stats.client_days FOR UPDATE")
        yield


class Worker(threading.Thread):
    """Refreshes or rebuilds DAY in its own thread, on its own connection."""

    def __init__(self, work: Callable[..., Iterator[RebuiltDay]], database: Database) -> None:
        super().__init__()
        self.work, self.database = work, database
        self.done: list[RebuiltDay] = []
        self.failure: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.done.extend(self.work(self.database, [DAY]))
        except Exception as failure:  # noqa: BLE001 (the test checks which failure it is)
            self.failure = failure


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        yield Shop(database, connection)


__all__ = [
    "DAY",
    "INSERT",
    "NEXT",
    "Shop",
    "Worker",
    "at",
    "ledger_rows_locked",
    "now",
    "rebuild",
    "refresh",
    "shop",
    "wait_for",
]
