"""A database with two logins: a superuser, and the ordinary user who owns its tables."""

from collections.abc import Iterator

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.ordinary_owner import create_owner, own_product_tables, url_of
from eventflow_stats_tests.engine.verification.product_machine import ZONE


@pytest.fixture
def databases(cluster: Cluster) -> Iterator[tuple[Database, Database]]:
    """Yield the same database for its superuser and for the ordinary owner of its tables."""
    url = cluster.create()
    owner = create_owner(cluster, url)
    create_product_tables(Database(url, Settings()))
    own_product_tables(url, owner)
    zoned = Settings(bucket_timezone=ZONE, lock_timeout=10)
    owned = Database(url_of(url, owner), zoned)
    migrate(owned)
    yield Database(url, zoned), owned
    cluster.drop(url)
