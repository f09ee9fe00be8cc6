"""Two clients with a campaign each, and a rollup that is up to date."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups

DAY = date(2026, 3, 4)
LONG_AGO = date(2024, 7, 1)


def now() -> datetime:
    return datetime.now(UTC)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


class Shop:
    """Two clients with a campaign each, and a rollup that is up to date."""

    def __init__(self, database: Database, product: Product) -> None:
        self.database = database
        self.product = product
        self.ours, self.theirs = product.client(), product.client()
        self.campaign, self.other_campaign = product.campaign(self.ours), product.campaign(self.theirs)
        product.add(*(Visit(at=noon(day), campaign_id=self.campaign, session_id="a") for day in (DAY, LONG_AGO)))
        product.add(Visit(at=noon(DAY), campaign_id=self.other_campaign, session_id="b"))
        detect(database)
        list(rebuild(database, [DAY, LONG_AGO]))

    def tick(self) -> dict[date, int]:
        """Do what a tick does: detect, then refresh stale client-days."""
        found = detect(self.database).stale_client_days
        list(refresh(self.database, found))
        return found

    def detected_at(self) -> datetime:
        (found,) = self.product.connection.execute("SELECT detected_at FROM eventflow_stats.progress").fetchone() or ()
        assert isinstance(found, datetime)
        return found

    def with_settings(self, **settings: Any) -> Database:
        """The same database with other settings."""
        url = self.database.url.render_as_string(hide_password=False)
        return Database(url, self.database.settings.model_copy(update=settings))

    def is_right(self) -> bool:
        return stored_groups(self.product.connection) == expected_groups(self.product.world, "UTC")


@pytest.fixture
def shop(database: Database) -> Any:
    with connect(database) as connection:
        yield Shop(database, Product(connection))
