"""The read API under excessive requests: it stays small and still answers all other callers."""

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from eventflow_stats import limited_connection, open_connections
from eventflow_stats.api import caller_limits
from eventflow_stats.api.request_bodies import MOST_BODY_BYTES
from eventflow_stats.limited_connection import MOST_HEAD_BYTES, MOST_HEADERS
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import DAY, MISSING, Shop
from eventflow_stats_tests.facts import connect

CRON = "/api/cron/aggregate-marketing-stats"
CRON_SECRET = "of the tests, and long enough"
FAR_TOO_MUCH = 30_000_000


@contextmanager
def line_to(http: httpx.Client) -> Iterator[socket.socket]:
    address = urlsplit(str(http.base_url))
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as line:
        yield line


def answer_on(line: socket.socket) -> bytes:
    """Everything received until the service closes the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := line.recv(65536):
            received += piece
    return received


def accepted(line: socket.socket, piece: bytes) -> int:
    """How many bytes of an endless repetition the service read before it closed the connection."""
    sent = 0
    with suppress(ConnectionResetError, BrokenPipeError):
        while sent < FAR_TOO_MUCH:
            sent += line.send(piece)
    return sent


def summary(http: httpx.Client, shop: Shop, first: object = DAY) -> httpx.Response:
    days = {"from": str(first), "to": str(first)}
    return http.get(f"/api/clients/{shop.ours}/campaigns/summary", params=days, headers=bearer(shop.member))


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"GET /healthz HTTP/1.1\r\n", b"a:b\r\n" * 1000),
        (b"GET /healthz HTTP/1.1\r\na: ", b"b" * 5000),
        (b"GET /healthz HTTP/1.1\r\n", b"a" * 5000),
        (b"GET /healthz?", b"a" * 5000),
        (b"", b"\r\n" * 2000),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a:b\r\n" * 1000),
        (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1388\r\n" + b"a" * 5000 + b"\r\n",
        ),
        (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 100),
    ],
    ids=["header lines", "a header", "a header's name", "a URL", "blank lines", "trailers", "a body", "requests"],
)
def test_a_connection_that_sends_without_end_is_closed_after_little(
    http: httpx.Client, shop: Shop, begin: bytes, endless: bytes
) -> None:
    with line_to(http) as line:
        line.sendall(begin)
        # The buffers of both ends hold some megabytes that the service has not read.
        assert accepted(line, endless) < FAR_TOO_MUCH
    assert summary(http, shop).status_code == 200


def test_only_a_head_above_the_limits_is_refused(
    http: httpx.Client,
) -> None:
    for more, status, reason in (
        ("a: b\r\n" * (MOST_HEADERS - 1), 200, b"openapi"),
        ("a: b\r\n" * (MOST_HEADERS + 1), 431, b"100 headers"),
        (f"a: {'b' * (MOST_HEAD_BYTES - 200)}\r\n", 200, b"openapi"),
        (f"a: {'b' * (MOST_HEAD_BYTES + 200)}\r\n", 431, b"65,536 bytes"),
    ):
        with line_to(http) as line:
            line.sendall(f"GET /openapi.json HTTP/1.1\r\nConnection: close\r\n{more}\r\n".encode())
            head, _, body = answer_on(line).partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status
        assert reason in body
        assert b"x-content-type-options: nosniff" in head


@pytest.mark.parametrize(
    ("begun", "answer"),
    [
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nHost:", b"HTTP/1.1 408"),
        (f"POST {CRON} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n".encode(), b"HTTP/1.1 408"),
        (
            f"POST {CRON} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CRON_SECRET}\r\n".encode()
            + b"Content-Length: 9\r\n\r\n{",
            b"HTTP/1.1 408",
        ),
    ],
    ids=["nothing", "half a head", "a head without its end", "half a body"],
)
def test_a_request_that_is_not_complete_in_time_is_closed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, begun: bytes, answer: bytes
) -> None:
    monkeypatch.setattr(limited_connection, "REQUEST_SECONDS", 0.3)
    settings = settings_for(shop.database, cron_secret=SecretStr(CRON_SECRET))
    with serving(settings) as url, httpx.Client(base_url=url) as http, line_to(http) as line:
        line.sendall(begun)
        assert answer_on(line).startswith(answer)
        assert summary(http, shop).status_code == 200


def test_unfinished_requests_lock_nobody_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_connections, "MOST_CONNECTIONS", 20)
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as http, ExitStack() as stack:
        for _ in range(100):
            line = stack.enter_context(line_to(http))
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        for _ in range(3):
            with httpx.Client(base_url=url) as another:
                assert summary(another, shop).status_code == 200


def test_a_caller_with_many_requests_leaves_connections_for_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_limits, "QUEUE_SECONDS", 2.0)
    settings = settings_for(shop.database, api_connections=4, api_connections_per_caller=3, api_timeout=30)
    with connect(shop.database) as lock, serving(settings) as url, httpx.Client(base_url=url, timeout=60) as http:
        # Requests for our client wait: its days are measured from facts, and the table is locked.
        with lock.transaction(), ThreadPoolExecutor(12) as pool:
            lock.execute("LOCK TABLE event_access_logs IN ACCESS EXCLUSIVE MODE")
            waiting = [pool.submit(summary, http, shop, MISSING) for _ in range(12)]
            held = {"from": str(DAY), "to": str(DAY)}
            while not [w for w in waiting if w.done()]:
                path = f"/api/clients/{shop.theirs}/campaigns/summary"
                assert http.get(path, params=held, headers=bearer(shop.stranger)).status_code == 200
                time.sleep(0.2)
            refused = next(w.result() for w in waiting if w.done())
            lock.execute("ROLLBACK")
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
        assert refused.headers["retry-after"].isdigit()
        assert Counter(w.result().status_code for w in waiting) == {200: 3, 429: 9}
        assert summary(http, shop).status_code == 200


def test_several_tokens_of_one_user_share_the_connections_of_one_caller(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller_limits, "QUEUE_SECONDS", 2.0)
    settings = settings_for(shop.database, api_connections=4, api_connections_per_caller=3, api_timeout=30)
    with connect(shop.database) as lock, serving(settings) as url, httpx.Client(base_url=url, timeout=60) as http:

        def ask(number: int) -> int:
            days = {"from": str(MISSING), "to": str(MISSING)}
            token = bearer(shop.member, session_id=str(number))
            return http.get(f"/api/clients/{shop.ours}/campaigns/summary", params=days, headers=token).status_code

        with lock.transaction(), ThreadPoolExecutor(8) as pool:
            lock.execute("LOCK TABLE event_access_logs IN ACCESS EXCLUSIVE MODE")
            waiting = [pool.submit(ask, number) for number in range(8)]
            while not [w for w in waiting if w.done()]:
                time.sleep(0.1)
            lock.execute("ROLLBACK")
        assert Counter(w.result() for w in waiting) == {200: 3, 429: 5}


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_large_body_is_not_read_even_with_the_secret(shop: Shop, is_announced: bool) -> None:
    settings = settings_for(shop.database, cron_secret=SecretStr(CRON_SECRET))
    with serving(settings) as url, httpx.Client(base_url=url) as http, line_to(http) as line:
        size = f"Content-Length: {FAR_TOO_MUCH * 5}" if is_announced else "Transfer-Encoding: chunked"
        head = f"POST {CRON} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CRON_SECRET}\r\n{size}\r\n\r\n"
        line.sendall(head.encode())
        piece = b"{" * 5000 if is_announced else b"1388\r\n" + b"{" * 5000 + b"\r\n"
        if is_announced:
            message, _, body = answer_on(line).partition(b"\r\n\r\n")
            assert int(message.split()[1]) == 413
            assert b"x-content-type-options: nosniff" in message
            assert json.loads(body) == {
                "error": "body_too_large",
                "detail": f"the body may have {MOST_BODY_BYTES:,} bytes",
            }
        assert accepted(line, piece) < FAR_TOO_MUCH
