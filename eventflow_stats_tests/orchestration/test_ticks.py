"""The schedules: real ticks and the real runs that they request."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.checks import runless_checks
from eventflow_stats.orchestration.schedules import every_five_minutes, rolling_verification
from eventflow_stats_tests.orchestration.shop import (
    ASSET,
    DAYS,
    Shop,
    carry_out,
    failure,
    giving_up_on,
    schedule_tick,
    shown_checks,
    today,
    yesterday,
)

JOB = "refresh_recent_days"


@pytest.fixture
def up_to_date(shop: Shop) -> Shop:
    """A shop whose yesterday and today are in the rollup as well."""
    shop.product.add(shop.visit(yesterday(), "a"), shop.visit(today(), "a"))
    list(rebuild(shop.database, [yesterday(), today()]))
    return shop


def tick(instance: dg.DagsterInstance, at: datetime | None = None) -> tuple[list[dg.RunRequest], str | None]:
    return schedule_tick(instance, every_five_minutes, at)


def test_the_schedules_are_on_by_default() -> None:
    assert (every_five_minutes.cron_schedule, rolling_verification.cron_schedule) == ("*/5 * * * *", "*/10 * * * *")
    for schedule in (every_five_minutes, rolling_verification):
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_a_tick_with_nothing_stale_starts_no_run_and_reports_why(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    at = datetime.now(UTC)
    tick(instance)
    requests, why = tick(instance, at)

    assert requests == []
    assert why is not None
    assert why.startswith("Nothing to refresh: 0 new facts of any day since ")
    assert why.endswith(f" A sample of 5 client-days, 5 groups (seed {int(at.timestamp())}) equals the facts.")


def test_a_tick_reports_days_with_new_facts_that_another_run_is_writing(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    tick(instance)
    up_to_date.product.add(up_to_date.visit(today(), "b"))
    with up_to_date.database.session() as writer, writing_day(up_to_date.database, writer, today()):
        requests, why = tick(instance)

    assert requests == []
    assert why is not None
    assert why.startswith(
        "1 day with new facts is being written by another run: the next tick detects them again; "
        "1 new fact of any day since "
    )
    assert len(tick(instance)[0]) == 1


def test_a_tick_refreshes_what_is_stale_of_yesterday_and_today(instance: dg.DagsterInstance, up_to_date: Shop) -> None:
    up_to_date.product.add(up_to_date.visit(today(), "b"), up_to_date.visit(yesterday(), "b"))

    (request,), _ = tick(instance)

    assert request.tags["eventflow/days"] == f"{yesterday()} to {today()}"
    assert request.tags["eventflow/reason"].startswith("2 stale client-days on 2 days (2 new facts of any day since ")
    result = carry_out(instance, request, JOB)
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert up_to_date.is_right()
    assert instance.get_materialized_partitions(ASSET) == {str(yesterday()), str(today())}
    assert tick(instance)[0] == []


def test_a_new_day_is_computed_although_it_has_no_facts(instance: dg.DagsterInstance, shop: Shop) -> None:
    (request,), _ = tick(instance)

    assert f"never computed: {yesterday()}, {today()}" in request.tags["eventflow/reason"]
    assert carry_out(instance, request, JOB).success
    assert tick(instance)[0] == []


def test_a_changed_and_a_deleted_fact_are_found_by_the_next_tick(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    tick(instance)
    older, newer = list(up_to_date.product.world.visits.values())[-2:]
    up_to_date.product.connection.execute("UPDATE event_access_logs SET created_at = created_at - interval '3 days'")
    up_to_date.product.change(older, utm_source="kakao", ingested_at=older.at - timedelta(days=3))
    up_to_date.product.delete([newer])
    up_to_date.product.connection.execute("SELECT pg_stat_force_next_flush()")

    (request,), _ = tick(instance)

    assert carry_out(instance, request, JOB).success
    assert up_to_date.is_right()


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_tick_waits_for_the_run_of_an_earlier_one_and_the_next_does_its_work(
    instance: dg.DagsterInstance, up_to_date: Shop, status: dg.DagsterRunStatus
) -> None:
    up_to_date.product.add(up_to_date.visit(today(), "b"))
    run = instance.create_run_for_job(defs.resolve_job_def(JOB), status=status)

    requests, why = tick(instance)
    assert requests == []
    assert why == f"Run {run.run_id} of an earlier tick is still active; the next tick does this one's work."

    instance.report_run_failed(run)
    (request,), _ = tick(instance)
    assert carry_out(instance, request, JOB).success
    assert up_to_date.is_right()


def test_a_tick_after_a_pause_does_the_work_of_the_skipped_ticks(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    tick(instance)
    up_to_date.product.add(up_to_date.visit(today(), "b"))
    connection = up_to_date.product.connection
    connection.execute("UPDATE event_access_logs SET created_at = created_at - interval '5 h' WHERE session_id = 'b'")
    connection.execute("UPDATE eventflow_stats.progress SET detected_at = detected_at - interval '6 h'")

    (request,), _ = tick(instance)

    assert carry_out(instance, request, JOB).success
    assert up_to_date.is_right()


def test_a_tick_executed_after_midnight_is_about_the_day_it_was_due_on(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    (request,), _ = tick(instance, datetime(2020, 2, 29, 23, 55, tzinfo=UTC))

    assert request.tags["eventflow/days"] == "2020-02-28 to 2020-02-29"


def test_the_outcome_of_a_tick_is_recorded(instance: dg.DagsterInstance, up_to_date: Shop) -> None:
    tick(instance)
    _, why = tick(instance)

    progress = read_freshness(up_to_date.database, today())
    assert progress.tick_outcome == why
    assert progress.ticked_at is not None


def test_an_idle_tick_reports_its_checks_once_and_again_when_one_changes(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    list(verify(up_to_date.database, [*DAYS, yesterday(), today()]))
    tick(instance)
    first = shown_checks(instance)
    assert {name: record.status.name for name, record in first.items()} == {
        "sample_verified": "SUCCEEDED",
        "rollup_is_fresh": "SUCCEEDED",
        "history_verified": "SUCCEEDED",
        "api_answers_from_rollup": "SUCCEEDED",
        "adjustments_are_valid": "SUCCEEDED",
    }
    tick(instance)
    assert {record.id for record in shown_checks(instance).values()} == {record.id for record in first.values()}

    up_to_date.plant_wrong_rows(DAYS[0])
    tick(instance)

    (sample,) = (record for name, record in shown_checks(instance).items() if name == "sample_verified")
    assert sample.status.name == "FAILED"
    assert sample.event is not None
    message = sample.event.dagster_event.event_specific_data.description
    assert message.startswith("1 wrong group on 2024-07-01 in a sample of 5 client-days, 5 groups (seed ")


def test_an_idle_tick_reports_again_what_a_newer_materialization_hid(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    tick(instance)
    before = shown_checks(instance)["rollup_is_fresh"].id
    instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, partition=str(today())))

    tick(instance)

    assert shown_checks(instance)["rollup_is_fresh"].id > before


def test_an_idle_tick_reports_its_checks_again_after_15_minutes(
    instance: dg.DagsterInstance, up_to_date: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(instance)
    before = shown_checks(instance)["rollup_is_fresh"].id
    monkeypatch.setattr(runless_checks, "REPORT_AGAIN_SECONDS", -1)

    tick(instance)

    assert shown_checks(instance)["rollup_is_fresh"].id > before


def verify_tick(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str | None]:
    return schedule_tick(instance, rolling_verification)


def test_the_rolling_verification_verifies_what_is_due_and_then_rests(instance: dg.DagsterInstance, shop: Shop) -> None:
    (request,), _ = verify_tick(instance)

    assert request.tags["eventflow/days"] == "3 days, 2024-07-01 to 2024-09-09"
    (check,) = carry_out(instance, request, "verify_history").get_asset_check_evaluations()
    assert check.passed
    assert check.metadata["days"].value == 3
    requests, why = verify_tick(instance)
    assert requests == []
    assert why == "Every computed day was verified whole since it ended and within 12 hours."


def test_the_rolling_verification_finds_what_something_else_wrote(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.plant_wrong_rows(DAYS[1])
    (request,), _ = verify_tick(instance)

    (check,) = carry_out(instance, request, "verify_history").get_asset_check_evaluations()

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR


def test_a_busy_day_is_reported_and_the_others_are_verified(instance: dg.DagsterInstance, shop: Shop) -> None:
    (request,), _ = verify_tick(instance)
    with shop.database.session() as writer, writing_day(shop.database, writer, DAYS[1]):
        (check,) = carry_out(instance, request, "verify_history").get_asset_check_evaluations()

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == "not compared, because another run is writing: 2024-07-02."
    (again,), _ = verify_tick(instance)
    assert again.tags["eventflow/days"] == "2024-07-02"


def test_a_day_that_cannot_be_verified_fails_the_run_by_name_and_the_others_are_verified(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    shop.plant_wrong_rows(DAYS[1])
    (request,), _ = verify_tick(instance)
    with giving_up_on(shop.database, DAYS[0]):
        result = carry_out(instance, request, "verify_history")

    assert not result.success
    assert failure(result).startswith("1 of 3 days could not be compared: 2024-07-01: postgresql://")
    assert failure(result).endswith("gave up: cannot go on; nothing was changed, try again")
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.description is not None
    assert check.description.startswith("1 wrong group on 2024-07-02; first: ")
    assert "; could not be compared: 2024-07-01; 2024-07-01: postgresql://" in check.description
    assert shown_checks(instance)["verified_against_facts"].status.name == "FAILED"
    (again,), _ = verify_tick(instance)
    assert again.tags["eventflow/days"] == "2024-07-01"


def test_only_one_rolling_verification_is_active_at_a_time(instance: dg.DagsterInstance, shop: Shop) -> None:
    run = instance.create_run_for_job(defs.resolve_job_def("verify_history"), status=dg.DagsterRunStatus.STARTED)

    requests, why = verify_tick(instance)

    assert requests == []
    assert why == f"Run {run.run_id} is still verifying; the next tick continues after it."
