"""While a fault of the environment lasts, nothing is written or verified. Doctor names it, and its remedy works."""

from collections.abc import Iterator

import psycopg
import pytest

from eventflow_stats.engine.doctor.database import check_database
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.engine.two_clients import DAY, Shop, noon, now
from eventflow_stats_tests.engine.verification.product_machine import ZONE
from eventflow_stats_tests.facts import Product, Visit
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups, whole_rows
from eventflow_stats_tests.scenarios.faults import FAULTS, Fault
from eventflow_stats_tests.scenarios.two_logins import databases

__all__ = ["databases"]
pytestmark = pytest.mark.environment


@pytest.fixture
def shop(databases: tuple[Database, Database]) -> Iterator[Shop]:
    """Yield a shop. A superuser writes its facts, and the ordinary owner of the tables does everything else."""
    superuser, owned = databases
    url = superuser.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield Shop(owned, Product(connection))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_nothing_is_written_during_a_lasting_fault_and_the_remedy_of_doctor_ends_it(shop: Shop, fault: Fault) -> None:
    list(verify(shop.database, [DAY]))
    before = whole_rows(shop.product.connection)
    shop.product.connection.execute(fault.breaks)
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="meanwhile"))

    for work in (
        lambda: detect(shop.database),
        lambda: list(rebuild(shop.database, [DAY])),
        lambda: list(verify(shop.database, [DAY])),
    ):
        with pytest.raises(EventflowError, match=fault.words):
            work()
    assert whole_rows(shop.product.connection) == before
    failures = [found for found in check_database(shop.database, {}) if found.state == "fail"]
    named = " ".join(f"{found.area} {found.name} {found.found} -> {found.remedy}" for found in failures)
    assert any(word in named for word in fault.words.split("|")), named
    assert all(found.remedy for found in failures if found.area == "assumptions")

    fault.remedy(shop.database, shop.product.connection)
    shop.tick()
    assert not [found for found in find_problems(read_status(shop.database)) if found.kind == "unverifiable"]
    assert stored_groups(shop.product.connection) == expected_groups(shop.product.world, ZONE)
    assert [day.result for day in verify(shop.database, [DAY])] == ["verified"]
