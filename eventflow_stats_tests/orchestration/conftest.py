"""A real Dagster instance on PostgreSQL storage, and the definitions as Dagster loads them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats.orchestration.runs import retries
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import Product, connect
from eventflow_stats_tests.orchestration.runs import LAST
from eventflow_stats_tests.orchestration.shop import Shop

ROOT = Path(__file__).parents[2]


@pytest.fixture
def facts(new_database: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch) -> Database:
    """A migrated database that the definitions' resource finds by its settings."""
    database = new_database("UTC")
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("EVENTFLOW_LOCK_TIMEOUT", "2")
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.1)
    return database


@pytest.fixture
def instance(
    facts: Database, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance of the project's own dagster.yaml, its storage in a database of the test."""
    storage = cluster.dagster_storage()
    monkeypatch.setenv("EVENTFLOW_DAGSTER_URL", storage)
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as found:
        yield found
    cluster.drop(storage)


@pytest.fixture
def sampled(facts: Database) -> Database:
    make_sample(facts, SampleSize(visits=2000, clients=3, days=4, until=LAST, seed=7))
    return facts


@pytest.fixture
def shop(facts: Database) -> Iterator[Shop]:
    with connect(facts) as connection:
        yield Shop(facts, Product(connection))
