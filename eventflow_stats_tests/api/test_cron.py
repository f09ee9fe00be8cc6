"""The cron-compatible route, against a real Dagster that carries out what it is asked for."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from eventflow_stats.api.dagster_client import DagsterClient
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.rebuild import rebuild
from eventflow_stats.orchestration import jobs, partitions, run_tags
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.fixed_answer import answering
from eventflow_stats_tests.api.own_dagster import OwnDagster, webserver, webserver_and_daemon
from eventflow_stats_tests.api.serving import serving, settings_for, token
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import Group, Numbers, expected_groups
from eventflow_stats_tests.rollup import stored_groups, whole_rows
from eventflow_stats_tests.running import free_port, wait_until

ROUTE = "/api/cron/aggregate-marketing-stats"
SECRET = "known to the scheduler alone"
TODAY = datetime.now(UTC).date()
START = TODAY - timedelta(days=20)
OLD_DAYS = [TODAY - timedelta(days=ago) for ago in (6, 5, 4)]
RECENT_DAYS = [TODAY - timedelta(days=1), TODAY]
RANGE = {"from": str(OLD_DAYS[0]), "to": str(OLD_DAYS[-1])}


def authorization(value: str) -> dict[bytes, bytes]:
    """A header as its sender encodes it: UTF-8."""
    return {b"Authorization": value.encode()}


class Deployment:
    """Three clients with a visit on every day, all of it in the rollup; a Dagster; and the API in front of both."""

    def __init__(self, database: Database, connection: psycopg.Connection, dagster: OwnDagster) -> None:
        self.database, self.connection, self.dagster = database, connection, dagster
        self.product = Product(connection)
        self.ours, self.theirs, self.idle = (self.product.client(name) for name in ("ours", "theirs", "idle"))
        self.campaigns = {client: self.product.campaign(client) for client in self.product.world.clients}
        days = [*OLD_DAYS, *RECENT_DAYS]
        self.product.add(*(self.visit(client, day, "first", new=True) for client in self.campaigns for day in days))
        detect(database)
        list(rebuild(database, days))
        list(prove(database, days))

    def visit(self, client: UUID, day: date, session: str, *, new: bool) -> Visit:
        at = datetime(day.year, day.month, day.day, 0, 1, tzinfo=UTC)
        # A fact that says it came in long ago is seen by no look at new facts: only a rebuild counts it.
        came = datetime.now(UTC) if new else at - timedelta(days=30)
        return Visit(at=at, ingested_at=came, campaign_id=self.campaigns[client], session_id=session)

    def settings(self, **changes: Any) -> Settings:
        """Of an API with a secret that asks this Dagster."""
        mine = {"cron_secret": SecretStr(SECRET), "dagster_graphql_url": f"{self.dagster.url}/graphql"}
        return settings_for(self.database, **(mine | changes))

    def stored(self, client: UUID, days: list[date]) -> dict[Group, Numbers]:
        return _of(stored_groups(self.connection), client, days)

    def true(self, client: UUID, days: list[date]) -> dict[Group, Numbers]:
        return _of(expected_groups(self.product.world, "UTC"), client, days)

    @contextmanager
    def day_held(self, day: date) -> Iterator[None]:
        """Whoever writes that day waits."""
        with self.database.session() as writer, self.database.writing_day(writer, day):
            yield

    def someone_waits(self) -> bool:
        return bool(
            self.connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchall()
        )


def _of(groups: dict[Group, Numbers], client: UUID, days: list[date]) -> dict[Group, Numbers]:
    return {group: told for group, told in groups.items() if group.client_id == client and group.bucket_date in days}


def _on(days: list[date], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for row in rows if row[4] in days]


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    url = cluster.migrated("UTC")
    yield Database(url, Settings(start_date=START))
    cluster.drop(url)


@pytest.fixture(scope="module")
def environment(cluster: Cluster, database: Database) -> Iterator[dict[str, str]]:
    """Of Dagster's processes."""
    storage = cluster.create()
    yield {
        "EVENTFLOW_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "EVENTFLOW_DAGSTER_URL": storage,
        "EVENTFLOW_START_DATE": str(START),
        # A day that a test holds is waited for, whatever else the machine does.
        "EVENTFLOW_LOCK_TIMEOUT": "240",
    }
    cluster.drop(storage)


@pytest.fixture(scope="module")
def deployment(
    database: Database, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("dagster")
    with webserver_and_daemon(folder, environment) as dagster, connect(database) as connection:
        yield Deployment(database, connection, dagster)


@contextmanager
def asking(settings: Settings) -> Iterator[httpx.Client]:
    """A client of that API who holds the secret."""
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, headers=authorization(f"Bearer {SECRET}"), timeout=120) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def http(deployment: Deployment) -> Iterator[httpx.Client]:
    with asking(deployment.settings()) as client:
        yield client


def test_a_refresh_is_a_run_like_the_schedules_that_brings_in_what_came_since(
    http: httpx.Client, deployment: Deployment
) -> None:
    dagster, product = deployment.dagster, deployment.product
    # Of a client without new facts, whose day would not be recomputed for these.
    older = next(
        visit
        for visit in product.world.visits.values()
        if visit.campaign_id == deployment.campaigns[deployment.idle] and visit.at.date() == RECENT_DAYS[0]
    )
    product.add(*(deployment.visit(deployment.ours, day, "new", new=True) for day in RECENT_DAYS))
    # Changed, and by its own account not new.
    product.change(older, utm_source="kakao", ingested_at=older.at - timedelta(days=3))
    deployment.connection.execute("SELECT pg_stat_force_next_flush()")

    with deployment.day_held(RECENT_DAYS[0]):
        # Whoever asks at the same moment asks for the same.
        with ThreadPoolExecutor(4) as callers:
            answers = sorted(callers.map(lambda _: http.post(ROUTE), range(4)), key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in answers] == [202, 409, 409, 409], answers[0].text
        answer, told = answers[0], answers[0].json()
        (run_id,) = told["runs"]
        # From the start on, not only when the run itself adds what its tags lack.
        tags = {tag["key"]: tag["value"] for tag in dagster.run(run_id)["tags"]}
        assert told == {
            "runs": [run_id],
            "backfills": [],
            "days": {"from": str(RECENT_DAYS[0]), "to": str(RECENT_DAYS[1])},
            "watch": [f"{dagster.url}/runs/{run_id}"],
        }
        assert answer.headers["location"] == told["watch"][0]
        wait_until(deployment.someone_waits, 120, "the run to come to the day that is held")

        again = http.get(ROUTE)
        assert (again.status_code, again.json()) == (
            409,
            {"error": "busy", "detail": f"a refresh is already under way: run {run_id}"},
        )

    wait_until(lambda: dagster.run(run_id)["status"] in ("SUCCESS", "FAILURE"), 120, "the run to end")
    run = dagster.run(run_id)
    assert (run["status"], run["jobName"]) == ("SUCCESS", jobs.refresh_recent_days.name)
    for client in deployment.campaigns:
        assert deployment.stored(client, RECENT_DAYS) == deployment.true(client, RECENT_DAYS)
    wanted = {
        **partitions.range_tags(*RECENT_DAYS),
        run_tags.DAYS: run_tags.span(*RECENT_DAYS),
        run_tags.REASON: "asked for by the cron route",
        run_tags.MODE: "refresh",
        "dagster/max_runtime": "900",
    }
    assert {name: tags.get(name) for name in wanted} == wanted

    once_more = http.get(ROUTE)
    assert once_more.status_code == 202
    assert once_more.json()["runs"] != [run_id]


def test_a_backfill_of_a_clients_days_changes_that_clients_rows_alone(
    http: httpx.Client, deployment: Deployment
) -> None:
    dagster, ours, theirs = deployment.dagster, deployment.ours, deployment.theirs
    # The others' rows are behind as well: touched by mistake, they would change.
    deployment.product.add(
        *(deployment.visit(client, day, "behind", new=False) for client in (ours, theirs) for day in OLD_DAYS)
    )
    others = _on(OLD_DAYS, whole_rows(deployment.connection, theirs))
    elsewhere = [TODAY - timedelta(days=10)]
    deployment.product.add(*(deployment.visit(client, elsewhere[0], "x", new=False) for client in (theirs, ours)))
    assert deployment.stored(ours, OLD_DAYS) != deployment.true(ours, OLD_DAYS)

    with deployment.day_held(OLD_DAYS[1]):
        answer = http.get(ROUTE, params=RANGE | {"client_id": str(ours)})
        assert answer.status_code == 202, answer.text
        told = answer.json()
        (backfill_id,) = told["backfills"]
        assert told == {
            "runs": [],
            "backfills": [backfill_id],
            "days": RANGE,
            "watch": [f"{dagster.url}/runs/b/{backfill_id}"],
        }
        assert answer.headers["location"] == told["watch"][0]

        # Queued or half done, the same is under way; in the body of a POST it is the same.
        under_way = {"error": "busy", "detail": f"the same is already under way: backfill {backfill_id}"}
        same = http.post(ROUTE, json=RANGE | {"client_id": str(ours)})
        assert (same.status_code, same.json()) == (409, under_way)
        wait_until(deployment.someone_waits, 180, "the backfill's run to come to the day that is held")
        same = http.post(ROUTE, params={"from": RANGE["from"]}, json=RANGE | {"from": None, "client_id": str(ours)})
        assert (same.status_code, same.json()) == (409, under_way)
        for another in ({"client_id": str(deployment.idle)}, {"client_id": str(ours), "to": RANGE["from"]}):
            assert http.get(ROUTE, params=RANGE | another).status_code == 202
        of_everybody = http.get(ROUTE, params={"from": str(elsewhere[0]), "to": str(elsewhere[0])}).json()

    both = (backfill_id, *of_everybody["backfills"])
    wait_until(lambda: all(dagster.backfill(each)["status"] != "REQUESTED" for each in both), 240, "the backfills")
    backfill = dagster.backfill(backfill_id)
    assert (backfill["status"], [run["status"] for run in backfill["runs"]]) == ("COMPLETED_SUCCESS", ["SUCCESS"])
    assert backfill["title"] == f"Cron route: {OLD_DAYS[0]} to {OLD_DAYS[-1]}, client {ours}"
    tags = {tag["key"]: tag["value"] for tag in backfill["runs"][0]["tags"]}
    assert tags[run_tags.DAYS] == run_tags.span(OLD_DAYS[0], OLD_DAYS[-1])
    assert tags[run_tags.REASON] == "asked for by the cron route"
    assert deployment.stored(ours, OLD_DAYS) == deployment.true(ours, OLD_DAYS)
    assert _on(OLD_DAYS, whole_rows(deployment.connection, theirs)) == others
    assert deployment.stored(theirs, OLD_DAYS) != deployment.true(theirs, OLD_DAYS)
    for client in deployment.campaigns:
        assert deployment.stored(client, elsewhere) == deployment.true(client, elsewhere)

    once_more = http.post(ROUTE, json=RANGE | {"client_id": str(ours)})
    assert once_more.status_code == 202
    assert once_more.json()["backfills"] != [backfill_id]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({"from": 3}, 3, 0),
        ({"to": 0}, 1, 0),
        ({"to": 9}, 9, 9),
        ({"client_id": 0}, 1, 0),
    ],
)
def test_what_is_left_out_is_yesterday_and_today(
    http: httpx.Client, deployment: Deployment, asked: dict[str, int], first: int, last: int
) -> None:
    days = {name: str(TODAY - timedelta(days=ago)) for name, ago in asked.items() if name != "client_id"}
    client = {"client_id": str(deployment.idle)} if "client_id" in asked else {}

    told = http.get(ROUTE, params=days | client).json()

    assert told["days"] == {"from": str(TODAY - timedelta(days=first)), "to": str(TODAY - timedelta(days=last))}
    assert (len(told["backfills"]), told["runs"]) == (1, [])


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
def test_without_the_secret_nothing_is_asked_and_nobody_learns_why(
    http: httpx.Client, deployment: Deployment, method: str, headers: dict[bytes, bytes]
) -> None:
    before = deployment.dagster.was_asked_for()

    with httpx.Client(base_url=http.base_url) as stranger:
        # Nor does a stranger learn which parameters are well formed.
        for asked in ({}, {"from": "never"}):
            answer = stranger.request(method, ROUTE, headers=headers, params=asked, content=b"{")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json() == {
                "error": "unauthorized",
                "detail": "send `Authorization: Bearer` with the secret of the cron route",
            }
    assert deployment.dagster.was_asked_for() == before


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_secret_of_the_deployment_the_route_is_closed(deployment: Deployment, method: str) -> None:
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
    ("asked", "told"),
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
        ({"from": "0001-01-01"}, f"from: 0001-01-01 is before the first day, {START} (EVENTFLOW_START_DATE)"),
        ({"to": "9999-12-31"}, f"to: 9999-12-31 is after today, which is {TODAY} in UTC"),
    ],
)
def test_a_range_that_has_no_partitions_is_refused(
    http: httpx.Client, deployment: Deployment, asked: dict[str, str], told: str
) -> None:
    before = deployment.dagster.was_asked_for()

    for answer in (
        http.get(ROUTE, params=asked),
        http.post(ROUTE, params=asked),
        http.post(ROUTE, json=asked),
    ):
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request", "detail": told})
    assert deployment.dagster.was_asked_for() == before


@pytest.mark.parametrize("body", [b"{", b"[]", b'"2026-03-01"', b"\xff", b"7"])
def test_a_body_that_is_no_object_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post(ROUTE, content=body)

    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        'the body should be a JSON object such as {"from": "2026-03-01"}',
    )


def test_a_client_that_is_none_is_malformed_and_one_unknown_is_not_found(http: httpx.Client) -> None:
    for malformed in (http.get(ROUTE, params={"client_id": "17"}), http.post(ROUTE, json={"client_id": "17"})):
        assert (malformed.status_code, malformed.json()["error"]) == (400, "invalid_request")
        assert malformed.json()["detail"].startswith("client_id: ")

    nobody = uuid4()
    unknown = http.get(ROUTE, params=RANGE | {"client_id": str(nobody)})
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"error": "not_found", "detail": f"client_id: there is no client {nobody}"},
    )


def unavailable(http: httpx.Client, told: str) -> None:
    """Both ways to ask are answered with 503, that line and when to come again."""
    for asked in ({}, RANGE):
        answer = http.get(ROUTE, params=asked)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
        assert answer.json() == {"error": "unavailable", "detail": told}


def test_a_dagster_that_is_away_is_told_of_and_nothing_else(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    away = f"http://user:not-to-be-told@127.0.0.1:{free_port()}/graphql"

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
def test_a_dagster_that_answers_nonsense_is_unavailable(
    deployment: Deployment, caplog: pytest.LogCaptureFixture, answer: tuple[int, str]
) -> None:
    caplog.set_level(logging.INFO)
    with answering(*answer) as url:
        with_password = url.replace("//", "//user:secret@")
        with asking(deployment.settings(dagster_graphql_url=with_password)) as http:
            unavailable(http, "Dagster did not do what it was asked for; try again")
    assert len([line for line in caplog.records if line.name == "eventflow_stats.api"]) == 2
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("endpoint", "page"),
    [
        ("http://127.0.0.1:3000/graphql", "http://127.0.0.1:3000/runs/b/some"),
        ("https://user:secret@dagster.example.com/behind/graphql", "https://dagster.example.com/behind/runs/b/some"),
    ],
)
def test_the_page_to_watch_lies_beside_the_endpoint(endpoint: str, page: str) -> None:
    assert DagsterClient(endpoint).backfill_page("some") == page


def test_a_dagster_whose_code_is_broken_is_unavailable(
    deployment: Deployment,
    environment: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('psycopg2: not to be told')")
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text("load_from: [{python_file: {relative_path: broken.py}}]")
    # Whatever other tests left under way is none of this one's.
    asked = {"from": _day(15), "to": _day(14)}
    before = deployment.dagster.was_asked_for()

    with webserver(tmp_path, environment, workspace) as dagster:
        settings = deployment.settings(dagster_graphql_url=f"{dagster.url}/graphql")
        with asking(settings) as http:
            answers = [http.get(ROUTE, params=asked)]
            wait_until(_nothing_unfinished(deployment), 120, "the refreshes of other tests to end")
            answers.append(http.get(ROUTE))
    for answer, told in zip(
        answers,
        ("Dagster did not do what it was asked for; try again", "Dagster has not loaded the rollup's code"),
        strict=True,
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
        assert answer.json() == {"error": "unavailable", "detail": told}
    assert deployment.dagster.was_asked_for() == before
    assert "not to be told" not in caplog.text + "".join(answer.text for answer in answers)


def _nothing_unfinished(deployment: Deployment) -> Callable[[], bool]:
    question = (
        '{ runsOrError(filter: {pipelineName: "refresh_recent_days", statuses: [QUEUED, NOT_STARTED, STARTING, STARTED]'
        "}) { ... on Runs { results { runId } } } }"
    )
    return lambda: not deployment.dagster.ask(question)["runsOrError"]["results"]


def test_the_answers_are_documented(http: httpx.Client) -> None:
    operations = http.get("/openapi.json").json()["paths"][ROUTE]

    assert set(operations) == {"get", "post"}
    for operation in operations.values():
        assert set(operation["responses"]) == {"202", "400", "401", "404", "409", "503"}
        assert {parameter["name"] for parameter in operation["parameters"]} == {"from", "to", "client_id"}
        assert operation["security"] == [{"CronSecret": []}]
    body = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"from", "to", "client_id"}
