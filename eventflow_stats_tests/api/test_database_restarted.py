"""The database is killed and restarted under load: 503 until it is back, then answers. No connection leaks."""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import DAY, MISSING, Shop
from eventflow_stats_tests.facts import connect
from eventflow_stats_tests.local.test_server import postmaster
from eventflow_stats_tests.running import wait_until

ASKERS = 8
CONNECTIONS = 4
API = "eventflow-stats api"


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not in pytest's own folder; the root conftest has the reason.
    with tempfile.TemporaryDirectory(prefix="pg_") as found:
        yield Path(found)


class Askers:
    """Threads that send requests without pause, and the statuses they got."""

    def __init__(self, url: str, shop: Shop) -> None:
        self.answers: Counter[int] = Counter()
        self.strange: list[str] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        work = (url, f"/api/clients/{shop.ours}/campaigns/summary", bearer(shop.member, exp=int(time.time()) + 600))
        self._threads = [threading.Thread(target=self._ask, args=work) for _ in range(ASKERS)]

    def __enter__(self) -> "Askers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def since_now(self, status: int, more: int) -> None:
        """Wait for that many more answers with that status."""
        wanted = self.answers[status] + more
        wait_until(lambda: self.answers[status] >= wanted, 60, f"{more} answers {status}: {self.answers}", every=0.05)

    def _ask(self, url: str, path: str, headers: dict[str, str]) -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
            while not self._ended.is_set():
                answer = http.get(path, params={"from": str(MISSING), "to": str(DAY)})
                with self._lock:
                    self.answers[answer.status_code] += 1
                    message = answer.json()
                    if answer.status_code == 503:
                        if message.keys() != {"error", "detail"} or not answer.headers["retry-after"].isdigit():
                            self.strange.append(answer.text)
                    elif answer.status_code != 200 or message["_coverage"]["raw_days"] != 1:
                        self.strange.append(answer.text)


@pytest.mark.slow
def test_a_database_killed_under_load_is_503_until_it_is_back(folder: Path) -> None:
    with embedded_server(folder) as database_url:
        database = Database(database_url, Settings())
        create_product_tables(database)
        migrate(database)
        with connect(database) as connection:
            shop = Shop(database, connection)
        with serving(settings_for(database, api_connections=CONNECTIONS)) as url, Askers(url, shop) as askers:
            askers.since_now(200, 50)
            for _ in range(2):
                server = postmaster(folder)
                assert server is not None
                server.kill()
                askers.since_now(503, 10)
                with embedded_server(folder):
                    askers.since_now(200, 50)

            # All connections are closed while the server runs, as in a failover.
            with psycopg.connect(database_url, autocommit=True) as holder:
                holder.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [API]
                )
                askers.since_now(200, 50)
                assert 0 < connections(holder) <= CONNECTIONS
        assert askers.strange == []
        assert askers.answers.keys() == {200, 503}
        with psycopg.connect(database_url, autocommit=True) as holder:
            wait_until(lambda: connections(holder) == 0, 10, "the service's connections to end")


def connections(holder: "psycopg.Connection[tuple[object, ...]]") -> int:
    found = holder.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [API]).fetchone()
    assert found is not None
    return int(str(found[0]))
