"""A shop, and the read API of it over HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats_tests.api.serving import serving, settings_for
from eventflow_stats_tests.api.shop import MISSING, Shop
from eventflow_stats_tests.facts import connect

AWAY = "postgresql://me:pass-word@127.0.0.1:1/eventflow"


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        yield Shop(database, connection)


@pytest.fixture
def http(shop: Shop) -> Iterator[httpx.Client]:
    """An HTTP client of the shop's API."""
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def product_database(empty_database: Database) -> Database:
    """A database with the product's tables, not migrated."""
    create_product_tables(empty_database)
    return empty_database


@pytest.fixture
def healthy(shop: Shop) -> Shop:
    """A shop with every day computed and verified, and a recent detection."""
    list(rebuild(shop.database, [MISSING]))
    list(verify(shop.database, [MISSING]))
    shop.detect()
    return shop


@pytest.fixture
def without_a_database(shop: Shop) -> Iterator[httpx.Client]:
    """An HTTP client of an API whose database server does not exist."""
    settings = settings_for(shop.database, database_url=AWAY)
    with serving(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client
