"""Held and sealed days in Dagster: runs leave them unchanged, checks report them, ticks start no run for them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.held_and_sealed_days import held_days, sealed_days
from eventflow_stats.engine.verification.sealing import seal
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.schedules import rolling_verification
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats.orchestration.sensors.repair import repair
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop
from eventflow_stats_tests.facts import connect
from eventflow_stats_tests.orchestration.runs import run_check

ASSET = dg.AssetKey("marketing_stats_daily")


@pytest.fixture
def busy(facts: Database) -> Iterator[BusyShop]:
    with connect(facts) as connection:
        yield BusyShop(facts, connection)


def rebuilt(instance: dg.DagsterInstance, **config: Any) -> tuple[dg.ExecuteInProcessResult, dg.AssetCheckEvaluation]:
    """A run of both days with that config, and the result of its check."""
    result = defs.resolve_job_def("rebuild_days").execute_in_process(
        instance=instance,
        tags=range_tags(DAY, NEXT_DAY),
        run_config={"ops": {"marketing_stats_daily": {"config": config}}},
        raise_on_error=False,
    )
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    return result, check


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    return {
        str(event.partition): {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key == ASSET
    }


def ticked(instance: dg.DagsterInstance, automation: Any) -> Any:
    build = dg.build_sensor_context if isinstance(automation, dg.SensorDefinition) else dg.build_schedule_context
    return automation(build(instance=instance, resources={"database": RollupDatabase()}))


def test_a_run_leaves_a_held_day_unchanged_and_its_check_fails(instance: dg.DagsterInstance, busy: BusyShop) -> None:
    before = busy.rows()
    busy.delete_visits(1.0)
    result, check = rebuilt(instance)

    assert busy.rows() == before
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert "1 day held: 2026-03-04, 2,000 of 2,000 visit rows disappeared" in str(check.description)
    assert "wrong" not in str(check.description)
    message = metadata_of(result)
    assert message[str(DAY)]["visits"] == message[str(NEXT_DAY)]["visits"] == 2_000
    assert "accept-deletion --day 2026-03-04" in message[str(DAY)]["held"]
    assert "held" not in message[str(NEXT_DAY)]


def test_checks_fail_as_long_as_a_day_is_held(instance: dg.DagsterInstance, busy: BusyShop) -> None:
    busy.delete_visits(1.0)
    rebuilt(instance)
    (check,) = run_check(
        instance, "verified_against_facts", {"first_day": str(NEXT_DAY), "last_day": str(NEXT_DAY)}
    ).get_asset_check_evaluations()
    assert not check.passed
    assert "1 day held" in str(check.description)


def test_no_tick_requests_a_run_of_a_held_day(instance: dg.DagsterInstance, busy: BusyShop) -> None:
    busy.truncate()
    rebuilt(instance)
    # The months after these two days were never computed, so they are requested; the held days are not.
    outcome = ticked(instance, late_facts)
    assert "late facts in" not in str(outcome), outcome
    assert "stale" not in str(outcome.tags.get("eventflow/reason")), outcome
    outcome = ticked(instance, repair)
    assert isinstance(outcome, dg.SkipReason)
    assert len(held_days(busy.database)) == 2


def test_a_run_accepts_the_deletion_by_its_config(instance: dg.DagsterInstance, busy: BusyShop) -> None:
    busy.delete_visits(0.75)
    rebuilt(instance)
    result, check = rebuilt(instance, accept_deletion=True, decided_by="Kim")
    assert check.passed, check.description
    assert metadata_of(result)[str(DAY)]["visits"] == 500
    assert held_days(busy.database) == []
    by = busy.one("SELECT decided_by FROM eventflow_stats.day_decisions")
    assert by == f"Kim (Dagster run {result.run_id})"


def test_a_run_reports_a_sealed_day_with_its_stored_numbers_and_succeeds(
    instance: dg.DagsterInstance, busy: BusyShop
) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    before = busy.rows()
    busy.connection.execute("DELETE FROM event_access_logs WHERE accessed_at < %s", [NEXT_DAY])
    result, check = rebuilt(instance)
    assert check.passed, check.description
    assert "1 day sealed" in str(check.description)
    assert busy.rows() == before
    message = metadata_of(result)
    assert message[str(DAY)]["visits"] == 2_000
    assert "not recomputed: sealed" in message[str(DAY)]["sealed"]
    assert "sealed" not in message[str(NEXT_DAY)]


def test_a_run_unseals_by_its_config_and_logs_the_loss_first(instance: dg.DagsterInstance, busy: BusyShop) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.delete_visits(0.25)
    result, check = rebuilt(instance, unseal=True)
    assert check.passed
    assert metadata_of(result)[str(DAY)]["visits"] == 1_500
    assert sealed_days(busy.database) == []
    logged = [
        record.user_message for record in instance.all_logs(result.run_id) if "sealed with" in record.user_message
    ]
    assert logged == [
        "2026-03-04: sealed with 2,000 visits and 200 conversions; its facts give 1,500 visits and 200 conversions now"
    ]


def test_an_edited_row_of_a_sealed_day_fails_the_check_and_is_not_repaired(
    instance: dg.DagsterInstance, busy: BusyShop
) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.connection.execute("UPDATE marketing_stats_daily SET visits = 1 WHERE bucket_date = %s", [DAY])
    before = busy.rows()
    _, check = rebuilt(instance)
    assert not check.passed
    assert "rows of sealed days were edited: 2026-03-04" in str(check.description)
    assert isinstance(ticked(instance, repair), dg.SkipReason)
    assert busy.rows() == before


def test_the_rolling_verification_seals_days_whose_facts_may_be_purged(
    instance: dg.DagsterInstance, busy: BusyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (today(busy.database.settings) - NEXT_DAY).days
    settings = busy.database.settings.model_copy(update={"facts_kept_days": kept})
    monkeypatch.setenv("EVENTFLOW_FACTS_KEPT_DAYS", str(kept))
    monkeypatch.setattr("eventflow_stats.orchestration.schedules._settings", settings)
    busy.connection.execute("UPDATE eventflow_stats.days SET whole_verified_at = now() - interval '2 hours'")

    request = ticked(instance, rolling_verification)
    assert isinstance(request, dg.RunRequest)
    result = defs.resolve_job_def("verify_history").execute_in_process(
        instance=instance, run_config=request.run_config, raise_on_error=False
    )
    assert result.success
    assert [found.day for found in sealed_days(busy.database)] == [DAY]
    assert busy.one("SELECT decided_by FROM eventflow_stats.day_decisions") == f"Dagster run {result.run_id}"


def test_the_data_quality_of_a_sealed_day_does_not_change(instance: dg.DagsterInstance, busy: BusyShop) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.truncate()
    result = defs.resolve_job_def("compute_data_quality").execute_in_process(
        instance=instance, tags=range_tags(DAY, DAY + timedelta(days=0)), raise_on_error=False
    )
    assert result.success
    rows = "SELECT sum(visit_facts) FROM eventflow_stats.marketing_data_quality_daily WHERE bucket_date = %s"
    assert busy.one(rows, DAY) == 2_000
