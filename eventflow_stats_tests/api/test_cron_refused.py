"""Refusals of the cron route, and its answers while Dagster is away. Nothing is launched."""

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from eventflow_stats.api import cron_route
from eventflow_stats.api.dagster_client import DagsterClient
from eventflow_stats_tests.api.cron_deployment import (
    RANGE,
    ROUTE,
    SECRET,
    START,
    TODAY,
    Deployment,
    asking,
    authorization,
    database,
    deployment,
    environment,
    http,
)
from eventflow_stats_tests.api.fixed_answer import answering
from eventflow_stats_tests.api.own_dagster import webserver
from eventflow_stats_tests.api.serving import token
from eventflow_stats_tests.running import free_port

__all__ = ["database", "deployment", "environment", "http"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        authorization("Bearer"),
        authorization("Bearer known to the scheduler alon"),
        authorization(f"Basic {SECRET}"),
        authorization("Bearer gehört dem Zeitplan allein"),
        authorization(f"Bearer {token(uuid4(), app_metadata={'is_super_admin': True})}"),
    ],
    ids=["missing", "empty", "nearly", "basic", "not ascii", "a super admin's token"],
)
def test_without_the_secret_nothing_is_launched_and_the_answer_gives_no_reason(
    http: httpx.Client, deployment: Deployment, method: str, headers: dict[bytes, bytes]
) -> None:
    before = deployment.dagster.was_asked_for()

    with httpx.Client(base_url=http.base_url) as stranger:
        # A stranger does not learn which parameters are valid.
        for asked in ({}, {"from": "never"}):
            answer = stranger.request(method, ROUTE, headers=headers, params=asked, content=b"{")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json() == {
                "error": "unauthorized",
                "detail": "send `Authorization: Bearer` with the secret of the cron route",
            }
    assert deployment.dagster.was_asked_for() == before


def test_two_authorization_headers_are_refused(http: httpx.Client, deployment: Deployment) -> None:
    before = deployment.dagster.was_asked_for()
    right = f"Bearer {SECRET}"
    with httpx.Client(base_url=http.base_url) as caller:
        for lines in ((right, "Bearer x"), ("Bearer x", right), (right, right)):
            answer = caller.get(ROUTE, headers=[("Authorization", line) for line in lines])
            assert (answer.status_code, answer.json()["detail"]) == (401, "send one `Authorization` header")
    assert deployment.dagster.was_asked_for() == before


def test_an_unknown_parameter_launches_nothing(http: httpx.Client, deployment: Deployment) -> None:
    before = deployment.dagster.was_asked_for()
    for query, message in (
        (f"form={TODAY}", "'form' is no parameter here; there are from, to, client_id"),
        (f"to={TODAY}&to={TODAY}", "to: given 2 times; give it once"),
    ):
        for method in ("GET", "POST"):
            answer = http.request(method, f"{ROUTE}?{query}")
            assert (answer.status_code, answer.json()["detail"]) == (400, message)
    for name in ("clientId", "form", "from_"):
        answer = http.post(ROUTE, json={"to": str(TODAY), name: str(uuid4())})
        message = f"{name!r} is no parameter here; there are from, to, client_id"
        assert (answer.status_code, answer.json()["detail"]) == (400, message)
    assert deployment.dagster.was_asked_for() == before


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("unseal", "eventflow-stats backfill --from DAY --to DAY --unseal"),
        ("accept_deletion", "eventflow-stats accept-deletion --day DAY --execute"),
    ],
)
def test_decisions_of_an_operator_are_refused_with_their_command(
    http: httpx.Client, deployment: Deployment, name: str, command: str
) -> None:
    before = deployment.dagster.was_asked_for()
    message = (
        f"{name}: an operator decides that, not a scheduler: {command}; "
        f"or in Dagster, launch a run of marketing_stats_daily with {name}: true in its config"
    )
    for answer in (
        http.get(ROUTE, params=RANGE | {name: "true"}),
        http.post(ROUTE, params=RANGE | {name: "true"}),
        http.post(ROUTE, json=RANGE | {name: True}),
    ):
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request", "detail": message})
    assert deployment.dagster.was_asked_for() == before
    with httpx.Client(base_url=http.base_url) as stranger:
        assert stranger.get(ROUTE, params={name: "true"}).status_code == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_route_is_closed_if_no_secret_is_set(deployment: Deployment, method: str) -> None:
    before = deployment.dagster.was_asked_for()

    with asking(deployment.settings(cron_secret=None)) as http:
        for headers in (authorization(f"Bearer {SECRET}"), authorization("Bearer"), authorization("Bearer None")):
            answer = http.request(method, ROUTE, headers=headers)
            assert (answer.status_code, answer.json()) == (
                401,
                {"error": "unauthorized", "detail": "the cron route is closed: EVENTFLOW_CRON_SECRET is not set"},
            )
    assert deployment.dagster.was_asked_for() == before


def test_a_secret_may_be_any_text(deployment: Deployment) -> None:
    secret = "gehört dem Zeitplan allein"
    with asking(deployment.settings(cron_secret=SecretStr(secret))) as http:
        answer = http.get(ROUTE, headers=authorization(f"Bearer {secret}"), params={"from": "never"})
    assert answer.status_code == 400


def _day(ago: int) -> str:
    return str(TODAY - timedelta(days=ago))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"from": "2026-02-30"}, "from: '2026-02-30' is no day of the calendar written YYYY-MM-DD"),
        ({"to": "20260301"}, "to: '20260301' is no day of the calendar written YYYY-MM-DD"),
        ({"from": _day(3), "to": _day(4)}, "from must not be after to"),
        ({"from": _day(21)}, f"from: {_day(21)} is before the first day, {START} (EVENTFLOW_START_DATE)"),
        ({"to": _day(21)}, f"to: {_day(21)} is before the first day, {START} (EVENTFLOW_START_DATE)"),
        (
            {"from": _day(3), "to": _day(21)},
            f"to: {_day(21)} is before the first day, {START} (EVENTFLOW_START_DATE)",
        ),
        ({"to": _day(-1)}, f"to: {_day(-1)} is after today, which is {TODAY} in UTC"),
        ({"from": _day(-1)}, f"from: {_day(-1)} is after today, which is {TODAY} in UTC"),
        ({"from": "0001-02-01"}, f"from: 0001-02-01 is before the first day, {START} (EVENTFLOW_START_DATE)"),
        ({"to": "9999-12-31"}, f"to: 9999-12-31 is after today, which is {TODAY} in UTC"),
    ],
)
def test_a_range_that_has_no_partitions_is_refused(
    http: httpx.Client, deployment: Deployment, asked: dict[str, str], message: str
) -> None:
    before = deployment.dagster.was_asked_for()

    for answer in (
        http.get(ROUTE, params=asked),
        http.post(ROUTE, params=asked),
        http.post(ROUTE, json=asked),
    ):
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request", "detail": message})
    assert deployment.dagster.was_asked_for() == before


@pytest.mark.parametrize("body", [b"{", b"[]", b'"2026-03-01"', b"\xff", b"7"])
def test_a_body_that_is_no_object_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post(ROUTE, content=body)

    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        'the body should be a JSON object such as {"from": "2026-03-01"}',
    )


def test_a_malformed_client_is_400_and_an_unknown_one_404(http: httpx.Client) -> None:
    for malformed in (http.get(ROUTE, params={"client_id": "17"}), http.post(ROUTE, json={"client_id": "17"})):
        assert (malformed.status_code, malformed.json()["error"]) == (400, "invalid_request")
        assert malformed.json()["detail"].startswith("client_id: ")

    nobody = uuid4()
    unknown = http.get(ROUTE, params=RANGE | {"client_id": str(nobody)})
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"error": "not_found", "detail": f"client_id: there is no client {nobody}"},
    )


def unavailable(http: httpx.Client, message: str) -> None:
    """A refresh and a backfill are answered with 503, that detail and Retry-After."""
    for asked in ({}, RANGE):
        answer = http.get(ROUTE, params=asked)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
        assert answer.json() == {"error": "unavailable", "detail": message}


def test_a_dagster_that_is_away_is_503_and_its_address_stays_secret(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    away = f"http://user:not-to-be-shown@127.0.0.1:{free_port()}/graphql"

    with asking(deployment.settings(dagster_graphql_url=away)) as http:
        unavailable(http, "Dagster cannot be reached; try again")
    assert [line.message for line in caplog.records] == [
        "Dagster does not answer runsOrError: ConnectError",
        "Dagster does not answer partitionBackfillsOrError: ConnectError",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>"),
        (200, '{"data": null, "errors": [{"message": "psycopg2: secret"}]}'),
        (200, '{"data": {"runsOrError": {"__typename": "PythonError", "message": "psycopg2: x\\n at secret"}}}'),
        (200, "[]"),
        (302, ""),
        (502, "Bad Gateway"),
    ],
)
def test_a_dagster_with_an_unknown_answer_is_503(
    deployment: Deployment, caplog: pytest.LogCaptureFixture, answer: tuple[int, str]
) -> None:
    caplog.set_level(logging.INFO)
    with answering(*answer) as url:
        with_password = url.replace("//", "//user:secret@")
        with asking(deployment.settings(dagster_graphql_url=with_password)) as http:
            unavailable(http, "Dagster refused the request; try again")
    assert len([line for line in caplog.records if line.name == "eventflow_stats.api"]) == 2
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("endpoint", "page"),
    [
        ("http://127.0.0.1:3000/graphql", "http://127.0.0.1:3000/runs/b/some"),
        ("https://user:secret@dagster.example.com/behind/graphql", "https://dagster.example.com/behind/runs/b/some"),
    ],
)
def test_the_page_of_a_run_is_beside_the_graphql_endpoint(endpoint: str, page: str) -> None:
    assert DagsterClient(endpoint).backfill_page("some") == page


def test_a_dagster_with_broken_code_is_503(
    deployment: Deployment,
    environment: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('psycopg2: not to be shown')")
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text("load_from: [{python_file: {relative_path: broken.py}}]")
    before = deployment.dagster.was_asked_for()

    with webserver(tmp_path, environment, workspace) as dagster:
        settings = deployment.settings(dagster_graphql_url=f"{dagster.url}/graphql")
        with asking(settings) as http:
            answers = [http.get(ROUTE, params=RANGE), http.get(ROUTE)]
    for answer, message in zip(
        answers,
        ("Dagster refused the request; try again", "Dagster has not loaded the rollup's code"),
        strict=True,
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
        assert answer.json() == {"error": "unavailable", "detail": message}
    assert deployment.dagster.was_asked_for() == before
    assert "not to be shown" not in caplog.text + "".join(answer.text for answer in answers)


def test_requests_to_a_silent_dagster_do_not_wait_for_each_other(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cron_route, "ANSWER_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/graphql"
        with asking(deployment.settings(dagster_graphql_url=endpoint)) as http, ThreadPoolExecutor(4) as pool:
            # Requests that wait for each other would exceed the 5 s of this client.
            message = list(pool.map(lambda _: http.post(ROUTE, timeout=5), range(4)))

    assert {(answer.status_code, answer.json()["error"]) for answer in message} == {(503, "unavailable")}


def test_the_answers_are_documented(http: httpx.Client) -> None:
    operations = http.get("/openapi.json").json()["paths"][ROUTE]

    assert set(operations) == {"get", "post"}
    for operation in operations.values():
        assert set(operation["responses"]) == {"202", "400", "401", "404", "409", "429", "503"}
        assert {parameter["name"] for parameter in operation["parameters"]} == {"from", "to", "client_id"}
        assert operation["security"] == [{"CronSecret": []}]
    body = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"from", "to", "client_id"}
