"""Data quality in Dagster: real ticks, the runs that they request, and the messages for an operator."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.quality import anomalies
from eventflow_stats.engine.quality.kpis import compute_quality
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.orchestration.checks.data_quality import quality_results
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.runs.pruning import prune
from eventflow_stats.orchestration.schedules import data_quality
from eventflow_stats.orchestration.sensors.failed_runs import OWN_ASSETS
from eventflow_stats.orchestration.sensors.prune_old_runs import ASSETS, FREQUENT_JOBS
from eventflow_stats_tests.facts import Entry
from eventflow_stats_tests.orchestration.shop import (
    DAYS,
    Shop,
    alerts,
    carry_out,
    failure,
    schedule_tick,
    today,
    yesterday,
)
from eventflow_stats_tests.quality_oracle import expected_quality, stored_quality

ASSET = dg.AssetKey("marketing_data_quality_daily")
JOB = "compute_data_quality"


def tick(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str | None]:
    return schedule_tick(instance, data_quality)


def entries(shop: Shop, number: int, **values: Any) -> None:
    start = datetime(today().year, today().month, today().day, tzinfo=UTC)
    shop.product.add(*(Entry(at=start, campaign_id=shop.campaign, **values) for _ in range(number)))


def rows_of(check: dg.AssetCheckEvaluation) -> list[dict[str, Any]]:
    table: Any = check.metadata["clients"]
    return [record.data for record in table.records]


def shown(instance: dg.DagsterInstance, check: str) -> Any:
    key = dg.AssetCheckKey(ASSET, check)
    return instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]


def test_ticks_compute_what_is_due_and_evaluate_the_checks_also_when_nothing_is_due(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anomalies, "CARRIED_OVER", timedelta(0))
    shop.product.connection.execute("UPDATE clients SET name = 'acme'")
    entries(shop, 60)
    list(rebuild(shop.database, [yesterday(), today()]))
    (request,), _ = tick(instance)
    assert request.tags["eventflow/days"] == f"{yesterday()} to {today()}"
    assert request.tags["eventflow/reason"] == "2 days never computed or verified whole since"

    result = carry_out(instance, request, JOB)

    assert result.success
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert len(checks) == 7
    failed = {name: check.severity.value for name, check in checks.items() if not check.passed}
    assert failed == {
        "entries_come_with_visits": "ERROR",
        **dict.fromkeys(
            ("linkage_rate_reaches_goal", "utm_fill_rate_reaches_goal", "tracking_success_rate_reaches_goal"), "WARN"
        ),
        "unknown_rate_within_goal": "WARN",
    }
    message = checks["entries_come_with_visits"]
    assert str(message.description).startswith(
        f"1 client with entries on {today()} and not one visit: `acme` (60 entries). Open the client's page"
    )
    assert rows_of(message) == [{"client": "acme", "entries": "60", "visits": "0"}]
    linkage = checks["linkage_rate_reaches_goal"]
    assert str(linkage.description).startswith(
        "1 of 1 client-day misses the goal of 70 % or more of entries linked to a visit (by its entry_id): "
        f"`acme` 0.00 % on {today()}. Do the pages"
    )
    assert rows_of(linkage)[0]["facts"] == "0 of 60"
    (alert,) = alerts(capfd)
    assert alert["alert"] == "check failed: entries_come_with_visits"
    assert "acme" in alert["text"]
    of_today = instance.get_latest_materialization_event(ASSET)
    assert of_today is not None
    assert of_today.asset_materialization is not None
    numbers = {name: value.value for name, value in of_today.asset_materialization.metadata.items()}
    reported_of_today = {"entries": 60, "visits": 0, "linkage_rate": 0.0, "clients_missing_linkage_rate_goal": 1}
    assert numbers.items() >= reported_of_today.items()

    # Older days follow, and then nothing is due. The checks must be evaluated then too.
    (older,), _ = tick(instance)
    assert older.tags["eventflow/days"] == f"{DAYS[0]} to {DAYS[2]}"
    list(compute_quality(shop.database, DAYS))
    assert stored_quality(shop.product.connection) == expected_quality(shop.product.world, "UTC")
    shop.product.connection.execute("UPDATE eventflow_stats.alerts SET printed_at = printed_at - interval '2 h'")
    capfd.readouterr()
    requests, why = tick(instance)
    assert requests == []
    assert why is not None
    assert why.startswith("The data quality of every client and day is up to date. 1 client with entries ")
    assert "`acme` (60 entries)" in why
    assert "Warnings: linkage_rate_reaches_goal, utm_fill_rate_reaches_goal, " in why
    assert [message["alert"] for message in alerts(capfd)] == ["check failed: entries_come_with_visits"]

    # The client records visits again.
    assert shown(instance, "entries_come_with_visits").status.name == "FAILED"
    shop.product.add(shop.visit(today(), "one"))
    list(rebuild(shop.database, [today()], [shop.client]))
    (request,), _ = tick(instance)
    assert request.tags["eventflow/reason"] == "1 client-day recomputed on 1 day"
    run = instance.create_run_for_job(defs.resolve_job_def(JOB), status=dg.DagsterRunStatus.STARTED)
    busy = f"Run {run.run_id} is still computing data quality; the next tick continues after it."
    assert tick(instance) == ([], busy)
    instance.report_run_failed(run)
    assert carry_out(instance, request, JOB).success
    assert shown(instance, "entries_come_with_visits").status.name == "SUCCEEDED"
    # Pruning keeps the state of days and checks in the UI.
    keys = [dg.AssetCheckKey(ASSET, name) for name in checks]
    assert prune(instance, datetime.now(UTC) + timedelta(days=1), FREQUENT_JOBS, ASSETS, keys)[1]
    assert instance.get_materialized_partitions(ASSET) == {str(yesterday()), str(today())}


def test_an_idle_tick_finds_traffic_that_stopped_and_shows_it_without_a_run(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    days = [yesterday() - timedelta(days=7 * week) for week in range(5)]
    for day in days[1:]:
        shop.product.add(*(shop.visit(day, str(number), on_time=True) for number in range(30)))
    list(rebuild(shop.database, [*days, today()]))
    list(compute_quality(shop.database, [*DAYS, *days, today()]))

    requests, why = tick(instance)

    assert requests == []
    assert shown(instance, "traffic_continues").status.name == "FAILED"
    assert why is not None
    assert "Traffic stopped: `client` 0 visits yesterday, at least 30 on each of 4 such days before. Did the" in why
    assert [alert["alert"] for alert in alerts(capfd)] == ["check failed: traffic_continues"]


def test_a_day_that_fails_is_named_and_the_other_days_are_computed(instance: dg.DagsterInstance, shop: Shop) -> None:
    job = defs.resolve_job_def(JOB)
    with shop.database.session() as writer, writing_day(shop.database, writer, DAYS[1]):
        result = job.execute_in_process(instance=instance, tags=range_tags(DAYS[0], DAYS[1]), raise_on_error=False)

    assert not result.success
    assert failure(result).startswith(
        f"data quality of 1 of 2 days was not computed: {DAYS[1]} is being written by another run"
    )
    assert instance.get_materialized_partitions(ASSET) == {str(DAYS[0])}


def test_a_day_that_fails_again_and_again_stops_no_alarm(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anomalies, "CARRIED_OVER", timedelta(0))
    entries(shop, 60)
    list(rebuild(shop.database, [yesterday(), today()]))
    with shop.database.session() as writer, writing_day(shop.database, writer, yesterday()):
        result = defs.resolve_job_def(JOB).execute_in_process(
            instance=instance, tags=range_tags(yesterday(), today()), raise_on_error=False
        )
        assert (result.success, result.get_asset_check_evaluations()) == (False, [])
        (request,), _ = tick(instance)

    assert str(yesterday()) in request.tags["eventflow/days"]
    assert shown(instance, "entries_come_with_visits").status.name == "FAILED"
    assert "check failed: entries_come_with_visits" in [alert["alert"] for alert in alerts(capfd)]


def test_alarms_are_not_green_while_facts_may_be_missing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomalies, "CARRIED_OVER", timedelta(0))
    list(rebuild(shop.database, [yesterday(), today()]))
    detect(shop.database)
    list(compute_quality(shop.database, [yesterday(), today()]))
    both = ("entries_come_with_visits", "traffic_continues")
    assert [quality_results(shop.database, today())[name].passed for name in both] == [True, True]

    shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = now() - interval '9 hours'")

    results = quality_results(shop.database, today())
    for name in both:
        assert (results[name].passed, results[name].severity.value) == (False, "WARN")
        assert str(results[name].description).startswith("Unknown, because facts of the last 9.0 hours may be missing")
    # An alarm that is found counts, however old the facts are.
    entries(shop, 60)
    list(rebuild(shop.database, [today()]))
    list(compute_quality(shop.database, [today()]))
    found = quality_results(shop.database, today())["entries_come_with_visits"]
    assert (found.passed, found.severity.value) == (False, "ERROR")


def test_alarms_are_not_green_before_the_data_quality_is_computed(shop: Shop) -> None:
    results = quality_results(shop.database, today())
    young = datetime.now(UTC).hour == 0

    for name in ("entries_come_with_visits", "traffic_continues"):
        assert (results[name].passed, results[name].severity.value) == (young, "WARN")
    assert str(results["linkage_rate_reaches_goal"].description) == (
        f"{yesterday()} to {today()}: no client has the 50 facts of a day that this goal needs "
        "(entries linked to a visit (by its entry_id))."
    )


def test_the_schedule_is_on_by_default_and_its_runs_leave_a_place_for_the_refresh() -> None:
    assert (data_quality.cron_schedule, data_quality.default_status) == (
        "*/10 * * * *",
        dg.DefaultScheduleStatus.RUNNING,
    )
    assert defs.resolve_job_def(JOB).tags.items() >= {"eventflow/place": "background"}.items()
    node = defs.resolve_asset_graph().get(ASSET)
    assert dg.AssetKey("marketing_stats_daily") in node.parent_keys
    assert node.backfill_policy is not None
    assert node.backfill_policy.max_partitions_per_run == 250
    assert {ASSET, dg.AssetKey("marketing_stats_daily")} == OWN_ASSETS
