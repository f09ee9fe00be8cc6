"""A page of another site, open in the operator's chromium beside a running ``eventflow-stats up``.

Its name resolves to this machine, so no rule of the browser for local networks is between. Each attack is first
made on Dagster's own web server over the same storage, where it does its harm, then on `up`, where nothing changes.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Page, sync_playwright

from eventflow_stats_tests.api.own_dagster import OwnDagster, webserver
from eventflow_stats_tests.orchestration.running_deployment import Deployment, running_deployment
from eventflow_stats_tests.orchestration.test_dagster_ui import CHROMIUM

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

EVIL = "evil.example"
FIRST = datetime.now(UTC).date() - timedelta(days=12)
LAST = FIRST + timedelta(days=1)
ASSET = "marketing_stats_daily"
SCHEDULE = """{ scheduleOrError(scheduleSelector: {repositoryName: "__repository__",
    repositoryLocationName: "eventflow_stats", scheduleName: "rolling_verification"}) {
    ... on Schedule { scheduleState { id status } } } }"""
START = """mutation { startSchedule(scheduleSelector: {repositoryName: "__repository__",
    repositoryLocationName: "eventflow_stats", scheduleName: "rolling_verification"}) { __typename } }"""
CHANGED = """
SELECT (SELECT count(*) FROM event_logs WHERE event LIKE '%of evil%'),
       (SELECT count(*) FROM bulk_actions WHERE body LIKE '%of evil%'),
       (SELECT count(*) FROM asset_keys WHERE asset_details ~ 'last_wipe_timestamp": [0-9]'),
       (SELECT count(*) FROM asset_check_executions WHERE evaluation_event LIKE '%of evil%')
"""
"""Rows of Dagster's storage that only the attacks of this file create."""

MATERIALIZED = f"""mutation {{ reportRunlessAssetEvents(eventParams: {{eventType: ASSET_MATERIALIZATION,
    assetKey: {{path: ["{ASSET}"]}}, partitionKeys: ["{FIRST}"], description: "of evil"}}) {{ __typename }} }}"""
BACKFILL = f"""mutation {{ launchPartitionBackfill(backfillParams: {{assetSelection: [{{path: ["{ASSET}"]}}],
    partitionNames: ["{FIRST}"], title: "of evil"}}) {{ __typename }} }}"""
WIPE = f"""mutation {{ wipeAssets(assetPartitionRanges: [{{assetKey: {{path: ["{ASSET}"]}}}}]) {{ __typename }} }}"""
METADATA = quote('{"sent": "of evil"}')
CHECK = f"/report_asset_check/{ASSET}?check_name=verified_against_facts&passed=true&metadata={METADATA}"
MATERIALIZATION = f"/report_asset_materialization/{ASSET}?partition={FIRST}&description=of%20evil"

SENT = """async ([url, options]) => { try { await fetch(url, {mode: 'no-cors', ...options}) } catch (refused) {} }"""
IMAGE = """url => new Promise(done => {
    const image = new Image(); image.onload = image.onerror = () => done(); image.src = url })"""
FORM = """url => new Promise(done => {
    const frame = document.createElement('iframe'); frame.name = url; document.body.append(frame)
    const form = document.createElement('form')
    Object.assign(form, {method: 'POST', action: url, target: url, enctype: 'text/plain'})
    document.body.append(form); frame.onload = () => done(); form.submit() })"""
SOCKET = """url => new Promise(done => { const socket = new WebSocket(url, 'graphql-ws')
    socket.onopen = () => socket.send('{"type": "connection_init"}')
    socket.onmessage = () => done(true); socket.onerror = () => done(false) })"""


@contextmanager
def site() -> Iterator[int]:
    """A web site with an empty page, on a port of this machine."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>Harmless</title><body></body>")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


class Victim:
    """`up`, Dagster's own web server on its storage, and the operator's browser."""

    def __init__(self, up: Deployment, plain: OwnDagster, page: Page, port: int) -> None:
        self.up, self.plain, self.page, self.port = up, plain, page, port
        self.schedule = up.ask(SCHEDULE)["scheduleOrError"]["scheduleState"]["id"]
        self.stop = f'mutation {{ stopRunningSchedule(id: "{self.schedule}") {{ __typename }} }}'

    def state(self) -> tuple[Any, ...]:
        status = self.up.ask(SCHEDULE)["scheduleOrError"]["scheduleState"]["status"]
        with psycopg.connect(self.up.database_url, dbname="dagster") as connection:
            return (status, *(connection.execute(CHANGED.encode()).fetchone() or ()))

    def visit_the_other_site(self, name: str = EVIL) -> None:
        self.page.goto(f"http://{name}:{self.port}/")

    def change(self, base: str, script: str, path: str, *options: Any) -> bool:
        """Whether Dagster's storage changed after the open page ran that script."""
        before = self.state()
        self.page.evaluate(script, [base + path, *options] if options else base + path)
        return self.state() != before


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("foreign")
    chromium = shutil.which("chromium")
    assert chromium is not None, "chromium is not on the PATH: apt-get install chromium"
    with (
        running_deployment(folder, FIRST, LAST) as up,
        webserver(
            tmp_path_factory.mktemp("plain"),
            {"EVENTFLOW_DATA_DIR": str(folder / "data"), "EVENTFLOW_START_DATE": str(FIRST - timedelta(days=3))},
            guarded=False,
        ) as plain,
        site() as port,
        sync_playwright() as playwright,
    ):
        rules = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
        browser = playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM, rules])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        yield Victim(up, plain, page, port)
        browser.close()


def in_url(mutation: str) -> str:
    return f"/graphql?query={quote(mutation)}"


@pytest.mark.parametrize("name", [EVIL, "127.0.0.1"])
def test_no_page_of_another_origin_changes_anything(victim: Victim, name: str) -> None:
    victim.visit_the_other_site(name)
    text = {"method": "POST", "headers": {"Content-Type": "text/plain"}, "body": "x"}
    hidden = {
        "method": "POST",
        "headers": {"Content-Type": "text/plain; application/json"},
        "body": json.dumps({"query": MATERIALIZED}),
    }
    attacks: dict[str, tuple[Any, ...]] = {
        "an image launches a backfill": (IMAGE, in_url(BACKFILL)),
        "an image stops the schedule": (IMAGE, in_url(victim.stop)),
        "text reports a day": (SENT, in_url(MATERIALIZED), text),
        "JSON that passes for text": (SENT, "/graphql", hidden),
        "a form": (FORM, in_url(MATERIALIZED)),
        "no body, a forged check": (SENT, CHECK, {"method": "POST"}),
        "no body, a forged materialization": (SENT, MATERIALIZATION, {"method": "POST"}),
        "an image wipes the materializations": (IMAGE, in_url(WIPE)),
    }
    done = {}
    for attack, (script, *sent) in attacks.items():
        done[attack] = tuple(victim.change(base, script, *sent) for base in (victim.up.url, victim.plain.url))
        # A program may, also through the guard.
        victim.up.ask(START)
    assert done == dict.fromkeys(done, (False, True))


def test_no_page_of_another_origin_opens_a_websocket_or_shows_the_ui_in_a_frame(victim: Victim) -> None:
    for base, is_open in ((victim.plain.url, True), (victim.up.url, False)):
        victim.visit_the_other_site()
        assert victim.page.evaluate(SOCKET, f"{base.replace('http', 'ws')}/graphql") is is_open
        victim.page.set_content(f"<iframe src='{base}/runs'></iframe>", wait_until="networkidle")
        assert victim.page.frames[1].url.startswith("chrome-error:") is not is_open


def test_a_foreign_name_that_resolves_to_this_machine_is_refused(victim: Victim) -> None:
    json_of_its_own = {
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"query": MATERIALIZED}),
    }
    for base, obeys in ((victim.plain.url, True), (victim.up.url, False)):
        own = base.replace("127.0.0.1", EVIL)
        response = victim.page.goto(f"{own}/server_info")
        assert response is not None
        assert response.ok is obeys
        # Same origin for the browser: it sends what it is asked to.
        assert victim.change(own, SENT, "/graphql", json_of_its_own | {"mode": "same-origin"}) is obeys


def test_the_ui_itself_opens_its_websocket_and_executes_changes(victim: Victim) -> None:
    base = victim.up.url
    victim.page.goto(f"{base}/runs")
    victim.page.get_by_text("Runs", exact=True).first.wait_for()
    assert victim.page.evaluate(SOCKET, f"{base.replace('http', 'ws')}/graphql")
    own = {
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"query": MATERIALIZED}),
        "mode": "same-origin",
    }
    assert victim.change(base, SENT, "/graphql", own)
