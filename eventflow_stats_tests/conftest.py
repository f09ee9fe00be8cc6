"""A real PostgreSQL for every test: one embedded server a session, one database a test."""

import itertools
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.debian_postgres import debian_server
from eventflow_stats_tests.scratch import scratch_folder

_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--server", choices=("embedded", "debian"), default="embedded", help="Run on Debian's PostgreSQL 15 instead."
    )


def pytest_configure() -> None:
    """Restore Ctrl-C: a shell ignores it for background processes, and every process of a test would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the scenarios as slow, before pytest selects by markers. Put slow tests first: at the end, one worker would
    still run one of them, and the others would wait."""
    for item in items:
        if "/scenarios/" in item.path.as_posix():
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Iterator[str]:
    """Yield the URL of database ``eventflow`` on the session's server: the embedded one, or Debian's.

    Its data is not in pytest's own folder. As root the server runs as another user, and a second pytest that starts
    meanwhile closes that folder to everyone else.
    """
    if pytestconfig.getoption("--server") == "debian":
        with debian_server(auth="trust") as url:
            do_not_wait_for_the_disk(url)
            yield url
        return
    scratch = tempfile.TemporaryDirectory(prefix="pg_", dir=scratch_folder())
    with scratch as folder, embedded_server(Path(folder)) as url:
        do_not_wait_for_the_disk(url)
        yield url


def do_not_wait_for_the_disk(url: str) -> None:
    """Switch off what protects data from a power cut, to be faster. Tests of crashes have their own servers."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


def name_of(url: str) -> str:
    """Return the name of the database of such a URL."""
    return url.split("/")[3].split("?")[0]


class Cluster:
    """Creates databases on the session's server, empty or as copies of a template."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.templates: dict[str, str] = {}

    def create(self, template: str = "template0") -> str:
        """Create a database; returns its URL."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return self.url.replace("/eventflow", f"/{name}")

    def drop(self, url: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name_of(url))))

    def migrated(self, zone: str) -> str:
        """Create a database with product tables and every migration, copied from a template of this time zone."""
        if zone not in self.templates:
            url = self.create()
            database = Database(url, Settings(bucket_timezone=zone))
            create_product_tables(database)
            migrate(database)
            self.templates[zone] = name_of(url)
        return self.create(self.templates[zone])

    def dagster_storage(self) -> str:
        """Create a database with Dagster's tables, as a copy: to create the tables takes longer than most tests."""
        if "dagster" not in self.templates:
            # Imported here, because most tests do not need Dagster.
            from dagster_postgres import DagsterPostgresStorage

            url = self.create()
            DagsterPostgresStorage(url, should_autocreate_tables=True)
            self.templates["dagster"] = name_of(url)
        return self.create(self.templates["dagster"])


@pytest.fixture(scope="session")
def cluster(server: str) -> Cluster:
    return Cluster(server)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[Database]:
    """Yield an empty database."""
    url = cluster.create()
    yield Database(url, Settings())
    cluster.drop(url)


@pytest.fixture
def new_database(cluster: Cluster) -> Iterator[Callable[[str], Database]]:
    """Yield a function that creates migrated databases with the product's tables, for a bucket time zone."""
    made: list[str] = []

    def make(zone: str = "UTC") -> Database:
        made.append(cluster.migrated(zone))
        return Database(made[-1], Settings(bucket_timezone=zone, lock_timeout=2))

    yield make
    for url in made:
        cluster.drop(url)


@pytest.fixture
def database(new_database: Callable[[str], Database]) -> Database:
    """Return a migrated database with the product's tables, without facts, with days in UTC."""
    return new_database("UTC")


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove a developer's own settings from the environment."""
    for name in (
        *("DATABASE_URL", "DAGSTER_URL", "BUCKET_TIMEZONE", "START_DATE", "ALERT_WEBHOOK"),
        *("TICK_MINUTES", "SENSOR_SECONDS"),
    ):
        monkeypatch.delenv(f"EVENTFLOW_{name}", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("EVENTFLOW_DATA_DIR", str(tmp_path / "eventflow"))
    # Several tests run `up` at the same time.
    monkeypatch.setenv("EVENTFLOW_API_PORT", "0")
