"""A server whose clock is ten days ahead for one tick and one verification, and then right again."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.debian_postgres import debian_server
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon
from eventflow_stats_tests.facts import Product, Visit, connect

pytestmark = [pytest.mark.environment, pytest.mark.faketime]
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")

SetClock = Callable[[str], None]


@pytest.fixture
def clocked() -> Iterator[tuple[Database, SetClock]]:
    """A database of a server of its own, and what sets that server's clock: "+10d", or "+0" for the right time."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        offset = Path(folder) / "offset"

        def set_clock(by: str) -> None:
            offset.write_text(by)

        set_clock("+0")
        environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            # Timers of the server go on as they are.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with debian_server(auth="trust", environment=environment) as url:
            database = Database(url, Settings())
            create_product_tables(database)
            migrate(database)
            yield database, set_clock


def test_facts_of_the_days_between_are_found_and_no_age_is_negative(clocked: tuple[Database, SetClock]) -> None:
    database, set_clock = clocked
    with connect(database) as connection:
        shop = Shop(database, Product(connection))
        set_clock("+10d")
        (there,) = connection.execute("SELECT clock_timestamp()").fetchone() or ()
        assert there - datetime.now(UTC) > timedelta(days=9), "the server's clock did not move"
        detect(database)
        list(verify(database, [DAY, LONG_AGO]))
        set_clock("+0")

        assert "clock" in " ".join(map(str, find_problems(read_status(database))))
        shop.product.add(
            Visit(at=noon(DAY), ingested_at=datetime.now(UTC), campaign_id=shop.campaign, session_id="after")
        )
        shop.tick()

        assert shop.is_right()
        progress = read_status(database).freshness
        assert progress.age is not None
        assert progress.age >= timedelta(0)
        assert progress.drift_age is not None
        assert progress.drift_age >= timedelta(0)
        assert read_status(database).days.verified_days == 0
