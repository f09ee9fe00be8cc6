"""The cron route with a real Dagster that executes the runs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster_postgres import PostgresRunStorage

from eventflow_stats.orchestration import jobs, partitions
from eventflow_stats.orchestration.runs import run_tags
from eventflow_stats_tests.api.cron_deployment import (
    OLD_DAYS,
    RANGE,
    RECENT_DAYS,
    ROUTE,
    TODAY,
    Deployment,
    database,
    deployment,
    environment,
    http,
    on_days,
)
from eventflow_stats_tests.rollup import whole_rows
from eventflow_stats_tests.running import wait_until

__all__ = ["database", "deployment", "environment", "http"]


def test_a_refresh_is_a_run_like_the_schedules_and_adds_new_facts(http: httpx.Client, deployment: Deployment) -> None:
    dagster, product = deployment.dagster, deployment.product
    # A change of a client without new facts: detection alone would not rebuild its day.
    older = next(
        visit
        for visit in product.world.visits.values()
        if visit.campaign_id == deployment.campaigns[deployment.idle] and visit.at.date() == RECENT_DAYS[0]
    )
    product.add(*(deployment.visit(deployment.ours, day, "new", new=True) for day in RECENT_DAYS))
    # A changed fact with an old ingestion time.
    product.change(older, utm_source="kakao", ingested_at=older.at - timedelta(days=3))
    deployment.connection.execute("SELECT pg_stat_force_next_flush()")

    with deployment.day_held(RECENT_DAYS[0]):
        # Requests at the same time ask for the same run.
        with ThreadPoolExecutor(4) as callers:
            answers = sorted(callers.map(lambda _: http.post(ROUTE), range(4)), key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in answers] == [202, 409, 409, 409], answers[0].text
        answer, message = answers[0], answers[0].json()
        (run_id,) = message["runs"]
        # The tags exist from the start; the run itself would add them only later.
        tags = {tag["key"]: tag["value"] for tag in dagster.run(run_id)["tags"]}
        assert message == {
            "runs": [run_id],
            "backfills": [],
            "days": {"from": str(RECENT_DAYS[0]), "to": str(RECENT_DAYS[1])},
            "watch": [f"{dagster.url}/runs/{run_id}"],
        }
        assert answer.headers["location"] == message["watch"][0]
        wait_until(deployment.someone_waits, 120, "the run to come to the day that is held")

        again = http.get(ROUTE)
        assert (again.status_code, again.json()) == (
            409,
            {"error": "busy", "detail": f"a refresh is already running: run {run_id}"},
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


def test_a_run_that_was_never_queued_is_not_active(
    http: httpx.Client, deployment: Deployment, environment: dict[str, str]
) -> None:
    """Such a run remains when Dagster loses its database between creating the run and queueing it."""
    never = DagsterRun(job_name=jobs.refresh_recent_days.name, status=DagsterRunStatus.NOT_STARTED)
    PostgresRunStorage(environment["EVENTFLOW_DAGSTER_URL"], should_autocreate_tables=False).add_run(never)

    # A run of an earlier test may be active. This one is active until Dagster ends it (180 s).
    answers: list[httpx.Response] = []

    def launched() -> bool:
        answers.append(http.get(ROUTE))
        return answers[-1].status_code == 202

    wait_until(launched, 100, "the route to be free", 2)
    (run_id,) = answers[-1].json()["runs"]
    wait_until(lambda: deployment.dagster.run(run_id)["status"] in ("SUCCESS", "FAILURE"), 120, "the run to end")
    assert deployment.dagster.run(run_id)["status"] == "SUCCESS"


@pytest.mark.slow
def test_a_backfill_of_one_client_changes_rows_of_that_client_only(http: httpx.Client, deployment: Deployment) -> None:
    dagster, ours, theirs = deployment.dagster, deployment.ours, deployment.theirs
    # The rows of the other clients are stale too, so a rebuild of them by mistake would change them.
    deployment.product.add(
        *(deployment.visit(client, day, "behind", new=False) for client in (ours, theirs) for day in OLD_DAYS)
    )
    others = on_days(OLD_DAYS, whole_rows(deployment.connection, theirs))
    elsewhere = [TODAY - timedelta(days=10)]
    deployment.product.add(*(deployment.visit(client, elsewhere[0], "x", new=False) for client in (theirs, ours)))
    assert deployment.stored(ours, OLD_DAYS) != deployment.true(ours, OLD_DAYS)

    with deployment.day_held(OLD_DAYS[1]):
        answer = http.get(ROUTE, params=RANGE | {"client_id": str(ours)})
        assert answer.status_code == 202, answer.text
        message = answer.json()
        (backfill_id,) = message["backfills"]
        assert message == {
            "runs": [],
            "backfills": [backfill_id],
            "days": RANGE,
            "watch": [f"{dagster.url}/runs/b/{backfill_id}"],
        }
        assert answer.headers["location"] == message["watch"][0]

        # The same backfill is active while it is queued or running. A POST with the same body asks for the same.
        running = {"error": "busy", "detail": f"the same is already running: backfill {backfill_id}"}
        same = http.post(ROUTE, json=RANGE | {"client_id": str(ours)})
        assert (same.status_code, same.json()) == (409, running)
        wait_until(deployment.someone_waits, 180, "the backfill's run to come to the day that is held")
        same = http.post(ROUTE, params={"from": RANGE["from"]}, json=RANGE | {"from": None, "client_id": str(ours)})
        assert (same.status_code, same.json()) == (409, running)
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
    assert on_days(OLD_DAYS, whole_rows(deployment.connection, theirs)) == others
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
def test_the_default_days_are_yesterday_and_today(
    http: httpx.Client, deployment: Deployment, asked: dict[str, int], first: int, last: int
) -> None:
    days = {name: str(TODAY - timedelta(days=ago)) for name, ago in asked.items() if name != "client_id"}
    client = {"client_id": str(deployment.idle)} if "client_id" in asked else {}

    message = http.get(ROUTE, params=days | client).json()

    assert message["days"] == {"from": str(TODAY - timedelta(days=first)), "to": str(TODAY - timedelta(days=last))}
    assert (len(message["backfills"]), message["runs"]) == (1, [])
