"""Databases before and after our migrations."""

from collections.abc import Iterator

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.postgres.inspecting import schema_of
from eventflow_stats_tests.engine.reading.three_clients import create_three_clients


@pytest.fixture
def product_database(empty_database: Database) -> Database:
    """A database with the product's tables and without ours."""
    create_product_tables(empty_database)
    return empty_database


@pytest.fixture(scope="session")
def newest_schema(cluster: Cluster) -> str:
    """The schema of a database after all migrations, as text."""
    return schema_of(Database(cluster.migrated("UTC"), Settings()))


@pytest.fixture(scope="session")
def shops_template(cluster: Cluster) -> str:
    """The name of a database with three clients, which tests copy."""
    database = Database(cluster.migrated("UTC"), Settings())
    create_three_clients(database)
    return str(database.url.database)


@pytest.fixture
def shops(cluster: Cluster, shops_template: str) -> Iterator[Database]:
    """Three clients, two of one agency and one of another, with a member of each role in each, and one row each."""
    url = cluster.create(shops_template)
    yield Database(url, Settings())
    cluster.drop(url)
