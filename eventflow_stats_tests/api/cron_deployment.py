"""A Dagster and the read API on one database, for tests of the cron route."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.own_dagster import OwnDagster, webserver_and_daemon
from eventflow_stats_tests.api.serving import serving, settings_for
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import Group, Numbers, expected_groups
from eventflow_stats_tests.rollup import stored_groups

ROUTE = "/api/cron/aggregate-marketing-stats"
SECRET = "known to the scheduler alone"
TODAY = datetime.now(UTC).date()
START = TODAY - timedelta(days=20)
OLD_DAYS = [TODAY - timedelta(days=ago) for ago in (6, 5, 4)]
RECENT_DAYS = [TODAY - timedelta(days=1), TODAY]
RANGE = {"from": str(OLD_DAYS[0]), "to": str(OLD_DAYS[-1])}


def authorization(value: str) -> dict[bytes, bytes]:
    """An Authorization header in UTF-8."""
    return {b"Authorization": value.encode()}


class Deployment:
    """Three clients with a visit on every day in the rollup, a Dagster, and the API of both."""

    def __init__(self, database: Database, connection: psycopg.Connection, dagster: OwnDagster) -> None:
        self.database, self.connection, self.dagster = database, connection, dagster
        self.product = Product(connection)
        self.ours, self.theirs, self.idle = (self.product.client(name) for name in ("ours", "theirs", "idle"))
        self.campaigns = {client: self.product.campaign(client) for client in self.product.world.clients}
        days = [*OLD_DAYS, *RECENT_DAYS]
        self.product.add(*(self.visit(client, day, "first", new=True) for client in self.campaigns for day in days))
        detect(database)
        list(rebuild(database, days))
        list(verify(database, days))

    def visit(self, client: UUID, day: date, session: str, *, new: bool) -> Visit:
        at = datetime(day.year, day.month, day.day, 0, 1, tzinfo=UTC)
        # The fact has an old ingestion time, so no detection finds it. Only a rebuild counts it.
        came = datetime.now(UTC) if new else at - timedelta(days=30)
        return Visit(at=at, ingested_at=came, campaign_id=self.campaigns[client], session_id=session)

    def settings(self, **changes: Any) -> Settings:
        """Settings of an API with a cron secret and this Dagster."""
        mine = {"cron_secret": SecretStr(SECRET), "dagster_graphql_url": f"{self.dagster.url}/graphql"}
        return settings_for(self.database, **(mine | changes))

    def stored(self, client: UUID, days: list[date]) -> dict[Group, Numbers]:
        return _of(stored_groups(self.connection), client, days)

    def true(self, client: UUID, days: list[date]) -> dict[Group, Numbers]:
        return _of(expected_groups(self.product.world, "UTC"), client, days)

    @contextmanager
    def day_held(self, day: date) -> Iterator[None]:
        """Lock the day, so that its writers wait."""
        with self.database.session() as writer, writing_day(self.database, writer, day):
            yield

    def someone_waits(self) -> bool:
        return bool(
            self.connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchall()
        )


def _of(groups: dict[Group, Numbers], client: UUID, days: list[date]) -> dict[Group, Numbers]:
    return {
        group: message for group, message in groups.items() if group.client_id == client and group.bucket_date in days
    }


def on_days(days: list[date], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for row in rows if row[4] in days]


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    url = cluster.migrated("UTC")
    yield Database(url, Settings(start_date=START))
    cluster.drop(url)


@pytest.fixture(scope="module")
def environment(cluster: Cluster, database: Database) -> Iterator[dict[str, str]]:
    """The environment of Dagster's processes."""
    storage = cluster.create()
    yield {
        "EVENTFLOW_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "EVENTFLOW_DAGSTER_URL": storage,
        "EVENTFLOW_START_DATE": str(START),
        # Longer than any test holds the lock of a day, also on a slow machine.
        "EVENTFLOW_LOCK_TIMEOUT": "240",
    }
    cluster.drop(storage)


@pytest.fixture(scope="module")
def deployment(
    database: Database, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("dagster")
    with webserver_and_daemon(folder, environment) as dagster, connect(database) as connection:
        yield Deployment(database, connection, dagster)


@contextmanager
def asking(settings: Settings) -> Iterator[httpx.Client]:
    """An HTTP client of that API with the secret."""
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, headers=authorization(f"Bearer {SECRET}"), timeout=120) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def http(deployment: Deployment) -> Iterator[httpx.Client]:
    with asking(deployment.settings()) as client:
        yield client
