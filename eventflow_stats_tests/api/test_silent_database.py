"""A database that stops answering (a frozen host, a lost route): 503 after a while, and recovery."""

import os
import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx
import pytest

from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import DAY, Shop
from eventflow_stats_tests.running import wait_until

CONNECTIONS = 2


class Line:
    """A TCP port in front of the database's socket. ``freeze`` silences the open connections; new ones work."""

    def __init__(self, database_socket: str) -> None:
        self._to = database_socket
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._generation, self._ended = 0, False
        self.carried: list[tuple[bool, bytes]] = []
        """The traffic: True for data to the database, and the bytes."""
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        self._generation += 1

    def close(self) -> None:
        self._ended = True
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._to)
                threading.Thread(target=self._carry, args=(near, far, self._generation), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket, generation: int) -> None:
        with near, far:
            while not self._ended:
                if generation != self._generation:
                    # The connection stays open and silent until the other side closes it.
                    select.select([near], [], [], 0.1)
                    continue
                for ready in select.select([near, far], [], [], 0.05)[0]:
                    if generation == self._generation:
                        data = ready.recv(65536)
                        if not data:
                            return
                        self.carried.append((ready is near, data))
                        (far if ready is near else near).sendall(data)


@contextmanager
def line_to(shop: Shop) -> Iterator[Line]:
    folder = shop.database.url.query["host"]
    line = Line(os.path.join(str(folder), ".s.PGSQL.5432"))  # noqa: PTH118
    yield line
    line.close()


@pytest.fixture
def line(shop: Shop) -> Iterator[Line]:
    with line_to(shop) as found:
        yield found


def test_a_silent_database_is_reported_and_the_service_recovers_with_it(shop: Shop, line: Line) -> None:
    url = f"postgresql://postgres@127.0.0.1:{line.port}/{shop.database.url.database}?sslmode=disable"
    settings = settings_for(
        shop.database,
        api_database_url=url,
        api_connections=CONNECTIONS + 1,
        api_connections_per_caller=CONNECTIONS,
        api_timeout=0.5,
    )
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60) as http:

        def ask() -> httpx.Response:
            path = f"/api/clients/{shop.ours}/campaigns/summary"
            return http.get(path, params={"from": str(DAY), "to": str(DAY)}, headers=bearer(shop.member))

        with ThreadPoolExecutor(8) as pool:
            assert {answer.status_code for answer in pool.map(lambda _: ask(), range(16))} == {200}
            line.freeze()
            message = list(pool.map(lambda _: ask(), range(CONNECTIONS)))
        assert {answer.status_code for answer in message} == {503}
        assert all(answer.headers["retry-after"] for answer in message)
        wait_until(lambda: ask().status_code == 200, 60, "answers over new connections")
