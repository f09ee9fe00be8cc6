"""Raw requests that a page of another site can send to the Dagster UI.

Dagster's own web server executes them, which shows that they can do harm. Behind the guard they change nothing."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from eventflow_stats.limited_connection import REQUEST_SECONDS
from eventflow_stats.orchestration.ui_guard import MOST_BODY_BYTES, UiGuard
from eventflow_stats_tests.api.own_dagster import OwnDagster, webserver
from eventflow_stats_tests.api.test_limits import FAR_TOO_MUCH, accepted, answer_on
from eventflow_stats_tests.cli.command import contents
from eventflow_stats_tests.conftest import Cluster

TOKEN = "known to the reporter alone"
DAY = datetime.now(UTC).date() - timedelta(days=3)
ASSET = "marketing_stats_daily"
MUTATION = f"""mutation {{ reportRunlessAssetEvents(eventParams: {{eventType: ASSET_MATERIALIZATION,
    assetKey: {{path: ["{ASSET}"]}}, partitionKeys: ["{DAY}"]}}) {{ __typename }} }}"""
IN_URL = f"/graphql?query={quote(MUTATION)}"
IN_JSON = json.dumps({"query": MUTATION}).encode()
IMAGE = {"Accept": "image/avif,*/*"}
JSON = {"Content-Type": "application/json"}
CHECK = f"/report_asset_check/{ASSET}?check_name=verified_against_facts&passed=true&severity=ERROR"

ATTACKS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "an image": ("GET", IN_URL, IMAGE | {"Sec-Fetch-Site": "cross-site"}, b""),
    "an image, where the browser says nothing of the site": ("GET", IN_URL, IMAGE, b""),
    "text without an origin": ("POST", IN_URL, {"Content-Type": "text/plain"}, b"x"),
    "text of another site": ("POST", IN_URL, {"Content-Type": "text/plain", "Origin": "http://evil.example"}, b"x"),
    "a form": ("POST", IN_URL, {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}, b"a=b"),
    "nothing but a URL": ("POST", IN_URL, {}, b""),
    "JSON that a browser takes for text": (
        "POST",
        "/graphql",
        {"Content-Type": "text/plain; application/json"},
        IN_JSON,
    ),
    "JSON of another site": ("POST", "/graphql", JSON | {"Origin": "http://evil.example"}, IN_JSON),
    "JSON of no site": ("POST", "/graphql", JSON | {"Origin": "null"}, IN_JSON),
    "JSON of another port": ("POST", "/graphql", JSON | {"Origin": "http://127.0.0.1:1"}, IN_JSON),
    "JSON of the same site": ("POST", "/graphql", JSON | {"Sec-Fetch-Site": "same-site"}, IN_JSON),
    "JSON under a foreign name": ("POST", "/graphql", JSON | {"Host": "evil.example"}, IN_JSON),
    "JSON under a name that begins as ours": ("POST", "/graphql", JSON | {"Host": "127.0.0.1.evil.example"}, IN_JSON),
    "GraphQL": ("POST", "/graphql", {"Content-Type": "application/graphql"}, MUTATION.encode()),
    "a forged check": ("POST", CHECK, {}, b""),
    "a forged check as JSON": ("POST", CHECK, JSON, b"{}"),
    "a forged materialization": ("POST", f"/report_asset_materialization/{ASSET}?partition={DAY}", {}, b""),
    "a forged observation": ("POST", f"/report_asset_observation/{ASSET}", {}, b""),
}


class Servers:
    """Two web servers on one storage, with and without the guard."""

    def __init__(self, storage: str, guarded: OwnDagster, plain: OwnDagster) -> None:
        self.storage, self.guarded, self.plain = storage, guarded, plain

    def changes(self, dagster: OwnDagster, method: str, path: str, headers: dict[str, str], body: bytes) -> int | None:
        """Send a request; returns the status of a refusal, or None when Dagster's storage changed."""
        before = contents(self.storage)
        status = httpx.request(method, dagster.url + path, headers=headers, content=body, timeout=60).status_code
        return None if contents(self.storage) != before else status


@pytest.fixture(scope="module")
def servers(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    storage, facts = cluster.create(), cluster.migrated("UTC")
    environment = {
        "EVENTFLOW_DATABASE_URL": facts,
        "EVENTFLOW_DAGSTER_URL": storage,
        "EVENTFLOW_REPORT_TOKEN": TOKEN,
        "EVENTFLOW_UI_HOSTS": "stats.example",
    }
    with (
        webserver(tmp_path_factory.mktemp("guarded"), environment) as guarded,
        webserver(tmp_path_factory.mktemp("plain"), environment, guarded=False) as plain,
    ):
        yield Servers(storage, guarded, plain)
    cluster.drop(storage)
    cluster.drop(facts)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_requests_of_another_site_change_nothing_behind_the_guard(
    servers: Servers, attack: tuple[str, str, dict[str, str], bytes]
) -> None:
    assert servers.changes(servers.plain, *attack) is None
    assert servers.changes(servers.guarded, *attack) in (401, 403, 405, 415)


def test_pages_of_the_ui_and_programs_are_served(servers: Servers) -> None:
    url = servers.guarded.url
    # A link in a chat message.
    assert 'id="__next"' in httpx.get(f"{url}/runs", headers={"Sec-Fetch-Site": "cross-site"}).text
    assert servers.changes(servers.guarded, "POST", "/graphql", JSON, IN_JSON) is None
    for text in (
        {"Origin": url, "Sec-Fetch-Site": "same-origin"},
        {"Host": "stats.example", "Origin": "https://stats.example"},
        {"Host": "STATS.example:8443", "Origin": "https://stats.example:8443"},
        {"Host": "localhost:3000", "Origin": "http://localhost:3000"},
        {"Host": "[::1]:3000", "Origin": "http://[::1]:3000"},
    ):
        assert servers.changes(servers.guarded, "POST", "/graphql", JSON | text, IN_JSON) is None, text


def test_reports_of_assets_need_the_token_and_are_closed_without_one(servers: Servers) -> None:
    for wrong in ("", TOKEN, "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer \u00e9"):
        text = {b"Authorization": wrong.encode()}
        assert httpx.post(servers.guarded.url + CHECK, headers=text).status_code == 401
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert servers.changes(servers.guarded, "POST", CHECK, right | {"Origin": "http://evil.example"}, b"") == 403
    assert servers.changes(servers.guarded, "POST", CHECK, right, b"") is None

    reached: list[str] = []

    async def dagster(client_day: object, receive: object, send: object) -> None:
        reached.append("report")

    for name in ("check", "materialization", "observation"):
        sent = httpx.Request("POST", f"http://localhost/report_asset_{name}/{ASSET}", headers=right)
        assert refused(UiGuard(dagster), sent) == "closed; set EVENTFLOW_REPORT_TOKEN to take reports of assets\n"
    assert reached == []


def refused(guard: UiGuard, request: httpx.Request) -> str:
    async def ask() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard)) as client:
            return (await client.send(request)).text

    return asyncio.run(ask())


def test_a_websocket_opens_only_from_the_ui_and_from_programs(servers: Servers) -> None:
    def opens(dagster: OwnDagster, origin: str | None) -> bool:
        url = f"{dagster.url.replace('http', 'ws')}/graphql"
        own = None if origin is None else Origin(origin)
        try:
            with connect(url, origin=own, subprotocols=[Subprotocol("graphql-ws")]) as opened:
                opened.send('{"type": "connection_init"}')
                return bool(json.loads(opened.recv(timeout=30)) == {"type": "connection_ack"})
        except InvalidStatus as refusal:
            return refusal.response.status_code != 403

    assert opens(servers.plain, "http://evil.example")
    assert opens(servers.guarded, servers.guarded.url)
    assert opens(servers.guarded, None)
    assert not opens(servers.guarded, "http://evil.example")
    assert not opens(servers.guarded, "null")


def test_no_other_site_may_show_the_ui_in_a_frame(servers: Servers) -> None:
    for path in ("/", "/runs", "/graphql", "/favicon.ico"):
        headers = httpx.get(servers.guarded.url + path, headers={"Accept": "text/html"}).headers
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    # Dagster's own policy is kept.
    assert "object-src 'none'" in httpx.get(servers.guarded.url).headers["content-security-policy"]


def test_a_refusal_names_the_remedy_in_one_line(servers: Servers) -> None:
    answer = httpx.get(servers.guarded.url, headers={"Host": "ui.internal"})
    assert (answer.status_code, answer.text) == (
        403,
        "this Host name is not allowed; name it in EVENTFLOW_UI_HOSTS or with `eventflow-stats up --allow-host`\n",
    )


POST = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def line_to(dagster: OwnDagster) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(dagster.url.rpartition(":")[2])), timeout=60)


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"a:b\r\n" * 1000),
        (b"GET /", b"a" * 5000),
        (b"", b"\r\n" * 2000),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1388\r\n" + b"a" * 5000 + b"\r\n"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a:b\r\n" * 1000),
        (POST + f"Content-Length: {10 * FAR_TOO_MUCH}\r\n\r\n".encode(), b"a" * 5000),
    ],
    ids=["header lines", "a URL", "blank lines", "a body of unknown length", "trailers", "a body"],
)
def test_a_connection_that_sends_without_end_is_closed_after_little(
    servers: Servers, begin: bytes, endless: bytes
) -> None:
    with line_to(servers.guarded) as line:
        line.sendall(begin)
        # Beside what was read, the buffers of both ends hold some megabytes.
        assert accepted(line, endless) < FAR_TOO_MUCH
    assert servers.guarded.ask("{ version }")


def test_a_body_may_have_a_megabyte_and_a_larger_one_is_refused_with_a_reason(servers: Servers) -> None:
    url = f"{servers.guarded.url}/graphql"
    question = json.dumps({"query": "{ version }"}).encode()
    largest = httpx.post(url, content=question.ljust(MOST_BODY_BYTES), headers=JSON)
    assert largest.json()["data"].keys() == {"version"}
    with line_to(servers.guarded) as line:
        line.sendall(POST + f"Content-Length: {MOST_BODY_BYTES + 1}\r\n\r\n".encode())
        head, _, body = answer_on(line).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == 413
    assert body == b"the body may have 1,048,576 bytes\n"


def test_unfinished_requests_do_not_block_others_and_end_in_time(servers: Servers) -> None:
    """More connections than places: the oldest are closed. The remaining ones get the answer 408."""
    begun = {
        "nothing": b"",
        "half a head": b"GET / HTTP/1.1\r\nHost:",
        "half a body": POST + b"Content-Length: 9\r\n\r\n{",
    }
    with ExitStack() as stack:
        for _ in range(900):
            line = stack.enter_context(line_to(servers.guarded))
            with suppress(OSError):
                line.sendall(b"GET / HTTP/1.1\r\nHost: ")
        started = time.monotonic()
        lines = {name: stack.enter_context(line_to(servers.guarded)) for name in begun}
        for name, sent in begun.items():
            lines[name].sendall(sent)
        assert servers.guarded.ask("{ version }")
        assert time.monotonic() - started < REQUEST_SECONDS / 2
        answers = {name: answer_on(line)[:12] for name, line in lines.items()}
        assert time.monotonic() - started < REQUEST_SECONDS + 5
    assert answers == {"nothing": b"", "half a head": b"HTTP/1.1 408", "half a body": b"HTTP/1.1 408"}
    assert servers.guarded.ask("{ version }")


def test_a_websocket_lives_longer_than_a_request_and_refuses_a_large_message(servers: Servers) -> None:
    url = f"{servers.guarded.url.replace('http', 'ws')}/graphql"
    with connect(url, subprotocols=[Subprotocol("graphql-ws")]) as opened:
        time.sleep(REQUEST_SECONDS + 1)
        opened.send('{"type": "connection_init"}')
        assert json.loads(opened.recv(timeout=30)) == {"type": "connection_ack"}
        opened.send(json.dumps({"type": "connection_init", "payload": {"a": "b" * MOST_BODY_BYTES}}))
        with pytest.raises(ConnectionClosed) as closed:
            opened.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == CloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize(("length", "status"), [(16_000, 200), (16_500, 431)])
def test_a_head_of_more_than_16_kib_is_refused(servers: Servers, length: int, status: int) -> None:
    assert httpx.get(f"{servers.guarded.url}/runs", headers={"a": "b" * length}).status_code == status
