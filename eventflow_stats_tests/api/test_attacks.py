"""Attacks on every route by every kind of caller with every kind of malformed parameter: no leak, no write.

Routes and their parameters are found in the OpenAPI document of the running service.
"""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.attacks import PAYLOADS, VERBS, Attacked, Route, message, routes, undocumented
from eventflow_stats_tests.api.serving import SECRET, bearer, serving, settings_for, token
from eventflow_stats_tests.api.shop import COMPUTED, MISSING
from eventflow_stats_tests.api.test_tokens import assembled, claims
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import connect

MEASURED = {"from": str(MISSING), "to": str(COMPUTED[-1]), "day": str(COMPUTED[-1])}
FROM_THE_ROLLUP = {"from": str(COMPUTED[0]), "to": str(COMPUTED[-1]), "day": str(COMPUTED[-1])}
GONE = b'{"error":"not_found","detail":"there is no such client or link, or it is not yours"}'


@pytest.fixture(scope="module")
def attacked(cluster: Cluster) -> Iterator[Attacked]:
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        yield Attacked(database, connection)
    cluster.drop(url)


@pytest.fixture(scope="module")
def http(attacked: Attacked) -> Iterator[httpx.Client]:
    with serving(settings_for(attacked.database)) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_is_written(attacked: Attacked) -> Iterator[None]:
    """Schema and every row are the same after each attack."""
    yield
    assert attacked.contents() == attacked.before


def asked(
    http: httpx.Client, route: Route, ids: dict[str, UUID], headers: dict[str, str], days: dict[str, str] = MEASURED
) -> httpx.Response:
    known = {name: day for name, day in days.items() if ("query", name) in route.parameters}
    return http.request(route.verb, route.url(ids), params=known, headers=headers)


def of_clients(http: httpx.Client) -> list[Route]:
    found = [route for route in routes(http) if route.of_a_client]
    assert len(found) >= 4
    return found


def test_members_read_their_own_client_only(http: httpx.Client, attacked: Attacked) -> None:
    theirs = {"client_id": attacked.theirs, "link_id": attacked.their_link}
    for route in of_clients(http):
        for user in (attacked.member, attacked.analyst):
            assert asked(http, route, attacked.ids, bearer(user)).status_code == 200
            assert asked(http, route, theirs, bearer(user)).status_code == 404
        for user in (attacked.stranger, attacked.their_analyst):
            assert asked(http, route, theirs, bearer(user)).status_code == 200


def test_a_client_of_others_is_answered_like_one_that_does_not_exist(http: httpx.Client, attacked: Attacked) -> None:
    ours, theirs, none = attacked.ours, attacked.theirs, uuid4()
    for route in of_clients(http):
        pairs = [(ours, attacked.their_link), (ours, none)] if "{link_id}" in route.path else []
        pairs += [(client, link) for client in (theirs, none) for link in (attacked.link, attacked.their_link, none)]
        for user in (attacked.member, attacked.analyst):
            for more in ({}, {"If-None-Match": "*"}, {"Accept-Encoding": "identity"}):
                answers = {
                    message(asked(http, route, {"client_id": client, "link_id": link}, bearer(user) | more, days))
                    for client, link in pairs
                    for days in (MEASURED, FROM_THE_ROLLUP)
                }
                assert [(status, body) for status, _, body in answers] == [(404, GONE)]
        for user in (attacked.nobody, attacked.stranger, attacked.their_analyst):
            answers = {
                message(asked(http, route, {"client_id": client, "link_id": attacked.link}, bearer(user)))
                for client in (ours, none)
            }
            assert [(status, body) for status, _, body in answers] == [(404, GONE)]


def test_a_refused_range_does_not_reveal_whether_the_client_exists(http: httpx.Client, attacked: Attacked) -> None:
    for route in of_clients(http):
        for days in ({"from": "2026-03-02", "to": "2026-03-01"}, {"from": "2020-01-01"}):
            answers = {
                message(
                    asked(http, route, {"client_id": client, "link_id": attacked.link}, bearer(attacked.nobody), days)
                )
                for client in (attacked.ours, uuid4())
            }
            assert [(status, body) for status, _, body in answers] == [(404, GONE)]


def without_a_right(attacked: Attacked) -> dict[str, dict[str, str]]:
    """The headers of callers who are no signed-in user."""
    member = attacked.member
    tokens = {
        "expired": token(member, exp=1),
        "forged": token(member, secret=SECRET[::-1]),
        "none": assembled({"alg": "none"}, claims(sub=str(member))),
        "another audience": token(member, aud="anon"),
        "anon": token(member, role="anon"),
        "service": token(member, role="service_role"),
        "super admin by the role": token(member, role="supabase_admin", app_metadata={"is_super_admin": True}),
        "malformed": "x",
    }
    return {"nobody": {}, "basic": {"Authorization": "Basic eDp5"}} | {
        name: {"Authorization": f"Bearer {made}"} for name, made in tokens.items()
    }


def test_without_a_valid_token_every_request_gets_the_same_answer(http: httpx.Client, attacked: Attacked) -> None:
    for route in of_clients(http):
        for name, headers in without_a_right(attacked).items():
            answers = {
                message(asked(http, route, {"client_id": client, "link_id": link}, headers))  # type: ignore[dict-item]
                for client in (attacked.ours, attacked.theirs, uuid4(), "17", "' OR true --")
                for link in (attacked.link, uuid4(), "x")
            }
            assert [status for status, _, _ in answers] == [401], name


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: ascii(payload)[:40])
def test_an_invalid_value_is_refused_in_every_parameter(http: httpx.Client, attacked: Attacked, payload: str) -> None:
    for route in routes(http):
        for place, name in route.parameters:
            ids: dict[str, UUID | str] = {**attacked.ids}
            query: dict[str, str] = dict(MEASURED)
            headers = bearer(attacked.member)
            if place == "path":
                ids[name] = payload
            elif place == "query":
                query[name] = payload
            elif payload.isprintable() and payload.isascii() and payload == payload.strip():
                headers[name] = payload
            else:
                continue
            answer = http.request(route.verb, route.url(ids), params=query, headers=headers)
            if place == "header":
                # An unknown tag is no error; the full answer is given.
                assert answer.status_code < 500
            elif name.startswith("utm_") and answer.status_code == 200:
                # Any short text is a valid UTM value; no group has this one.
                assert answer.json()["matching"] == 0
            else:
                assert 400 <= answer.status_code < 500, (route, name)
                assert_says_nothing(attacked, answer, payload)
            assert "x-injected" not in answer.headers


def assert_says_nothing(attacked: Attacked, answer: httpx.Response, payload: str) -> None:
    assert set(answer.json()) == {"error", "detail"}
    text = answer.text.replace(json.dumps(payload)[1:-1], "")
    assert not {secret for secret in attacked.secrets() if secret in text}
    # The answer does not contain a long text of the request.
    assert len(answer.content) < 1000


def test_repeated_and_unknown_parameters_are_refused(http: httpx.Client, attacked: Attacked) -> None:
    for route in of_clients(http):
        theirs = route.url({"client_id": attacked.theirs, "link_id": attacked.their_link})
        own = route.url(attacked.ids)
        for query in (
            f"client_id={attacked.ours}", "role=service_role", f"client={attacked.ours}&client={attacked.theirs}",
            "from=2026-03-01&from=2026-03-02&to=2026-03-02", "select=*", "is_super_admin=true", "apikey=x",
        ):  # fmt: skip
            answer, ours = (
                http.request(route.verb, f"{url}?{query}", headers=bearer(attacked.member)) for url in (theirs, own)
            )
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
            assert message(answer) == message(ours)


def test_other_methods_are_refused_and_do_nothing(http: httpx.Client, attacked: Attacked) -> None:
    for verb, path in undocumented(http):
        url = Route(verb, path, ()).url(attacked.ids)
        for body in (b"", b'{"visits": 9}', b"' OR true --", b"\x00" * 1000):
            answer = http.request(verb, url, content=body, headers=bearer(attacked.member))
            assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
            documented = {route.verb for route in routes(http) if route.path == path}
            assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == documented
    for route in of_clients(http):
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            for verb in VERBS[1:]:
                answer = asked(http, route, attacked.ids, bearer(attacked.member) | {name: verb})
                assert answer.status_code == 200


def test_headers_of_proxies_and_gateways_do_not_change_the_caller(http: httpx.Client, attacked: Attacked) -> None:
    headers = bearer(attacked.nobody) | {
        "X-Forwarded-User": str(attacked.member),
        "X-User-Id": str(attacked.member),
        "X-Original-URL": f"/api/clients/{attacked.ours}/campaigns/summary",
        "X-Rewrite-URL": "/openapi.json",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "Host": "evil.example",
        "Role": "service_role",
        "Accept-Profile": "eventflow_stats",
        "Prefer": "tx=commit",
        "Cookie": f"sb-access-token={token(attacked.member)}",
    }
    for route in of_clients(http):
        answer = asked(http, route, attacked.ids, headers)
        assert (answer.status_code, answer.content) == (404, GONE)
        slashed = http.request(route.verb, route.url(attacked.ids) + "/", headers=headers)
        assert (slashed.status_code, slashed.headers.get("location")) == (404, None)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/clients/\xff\xfe/campaigns/summary HTTP/1.1",
        b"GET /api/clients/%ff%fe/campaigns/summary HTTP/1.1",
        b"GET /api/clients/%ed%a0%80/campaigns/summary?from=%ed%a0%80 HTTP/1.1",
        b"GET /api/clients/%/campaigns/summary?from=%&to=%zz HTTP/1.1",
        b"GET /api/clients/../../etc/passwd HTTP/1.1",
        b"GET http://evil.example/api/clients/x/campaigns/summary HTTP/1.1",
        b"GET //evil.example/%2f.. HTTP/1.1",
        b"GET * HTTP/1.1",
        b"get /api/clients/x/campaigns/summary HTTP/1.1",
        b"TRACE /openapi.json HTTP/1.1",
        b"CONNECT /openapi.json HTTP/1.1",
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1",
        b"GET /api/clients/x/campaigns/summary?" + b"from=x&" * 5_000 + b" HTTP/1.1",
        b"\x00\x01\x02",
    ],
    ids=lambda line: ascii(line)[2:50],
)
def test_raw_bytes_are_refused_without_an_error_of_the_server(
    http: httpx.Client, attacked: Attacked, request_line: bytes
) -> None:
    header = f"Host: x\r\nConnection: close\r\nAuthorization: Bearer {token(attacked.member)}  \r\n\r\n".encode()
    address = urlsplit(str(http.base_url))
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as connection:
        connection.sendall(request_line + b"\r\n" + header)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 4")
    assert not {secret for secret in attacked.secrets() if secret.encode() in answer}
