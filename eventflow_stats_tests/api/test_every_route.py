"""Every caller, route and method. The routes are those of the application, documented or not. A new route must be
closed to strangers, or listed here as open."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.routing import BaseRoute, Route

from eventflow_stats.api.application import create_app
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.attacks import Attacked
from eventflow_stats_tests.api.serving import SECRET, bearer, serving, settings_for
from eventflow_stats_tests.api.shop import COMPUTED
from eventflow_stats_tests.api.test_attacks import without_a_right
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import connect

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
DOCS = {f"/docs/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png", "start.js")}
OPEN = {"/openapi.json", "/docs", "/healthz", "/metrics", *DOCS}
"""Routes without a token."""
CRON_SECRET = "a secret of the cron route, for these tests"
DAYS = {"from": str(COMPUTED[0]), "to": str(COMPUTED[-1]), "day": str(COMPUTED[-1])}


@pytest.fixture(scope="module")
def attacked(cluster: Cluster) -> Iterator[Attacked]:
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        yield Attacked(database, connection)
    cluster.drop(url)


@pytest.fixture(scope="module")
def deployment(attacked: Attacked) -> Settings:
    """Settings with a cron secret, and a Dagster that is away, so that nothing is launched."""
    return settings_for(
        attacked.database, cron_secret=SecretStr(CRON_SECRET), dagster_graphql_url="http://127.0.0.1:1/graphql"
    )


@pytest.fixture(scope="module")
def http(deployment: Settings) -> Iterator[httpx.Client]:
    with serving(deployment) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def routes(found: list[BaseRoute]) -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    """Path, methods and parameter names of every route, also of nested routers."""
    for route in found:
        if isinstance(route, Route | APIRoute):
            named = {each.alias for each in route.dependant.query_params} if isinstance(route, APIRoute) else set()
            yield route.path, frozenset(route.methods or METHODS), frozenset(named)
        else:
            inner = getattr(route, "original_router", None) or getattr(route, "app", None) or route
            yield from routes(getattr(inner, "routes", []))


@pytest.fixture(scope="module")
def served(deployment: Settings) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """The methods and parameters of each path."""
    found: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for path, methods, named in routes(create_app(deployment).routes):
        before = found.get(path, (frozenset(), frozenset()))
        found[path] = (before[0] | methods, before[1] | named)
    return found


def test_every_route_belongs_to_a_client_or_to_cron_or_is_listed_as_open(
    served: dict[str, tuple[frozenset[str], frozenset[str]]],
) -> None:
    assert len(served) > 8
    assert {path for path in served if "{client_id}" not in path and not path.startswith("/api/cron/")} == OPEN


def test_every_caller_gets_the_expected_status_from_every_route_and_method(
    http: httpx.Client, attacked: Attacked, served: dict[str, tuple[frozenset[str], frozenset[str]]]
) -> None:
    ids = {"client_id": str(attacked.ours), "link_id": str(attacked.link)}
    members = {"member": bearer(attacked.member), "analyst": bearer(attacked.analyst)}
    others = {"stranger": bearer(attacked.stranger), "their analyst": bearer(attacked.their_analyst)}
    others["member of nothing"] = bearer(attacked.nobody)
    cron = {"cron": {"Authorization": f"Bearer {CRON_SECRET}"}}
    without = without_a_right(attacked) | {"the signing secret": {"Authorization": f"Bearer {SECRET}"}}
    seen: set[tuple[str, int]] = set()
    for path, (methods, named) in served.items():
        query = {name: day for name, day in DAYS.items() if name in named}
        for caller, headers in (members | others | cron | without).items():
            for method in METHODS:
                url = path.format(**ids)
                # The cron route gets an authenticated request that is refused, so that nothing is launched.
                asked = {"from": "2999-01-01"} if path.startswith("/api/cron") else query
                status = http.request(method, url, params=asked, headers=headers).status_code
                if method not in methods:
                    due = {405}
                elif path in OPEN:
                    due = {200, 503} if path == "/healthz" else {200}
                elif path.startswith("/api/cron"):
                    due = {400} if caller in cron else {401}
                else:
                    due = {200} if caller in members else {404} if caller in others else {401}
                assert status in due, (caller, method, path, status)
                seen.add((caller, status))
    # A service that refuses everything must not pass.
    assert {("member", 200), ("stranger", 404), ("nobody", 401), ("cron", 400), ("expired", 401)} <= seen
    assert attacked.contents() == attacked.before
