"""Old runs of the schedule are deleted, and the UI keeps the state of every day and check."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.tags import BACKFILL_ID_TAG

from eventflow_stats.definitions import defs
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.orchestration.partitions import daily_partitions, range_tags
from eventflow_stats.orchestration.runs.pruning import prune
from eventflow_stats.orchestration.sensors import prune_old_runs as prune_old_runs_module
from eventflow_stats.orchestration.sensors.prune_old_runs import ASSETS, FREQUENT_JOBS, prune_old_runs
from eventflow_stats_tests.orchestration.runs import run as rebuild_run

ASSET = dg.AssetKey("marketing_stats_daily")
CHECK = dg.AssetCheckKey(ASSET, "verified_against_facts")
ONE, TWO, THREE, FOUR = (date(2026, 3, day) for day in range(1, 5))


def refresh_run(
    instance: dg.DagsterInstance, first: date, last: date, fails: bool = False, tags: dict[str, str] | None = None
) -> str:
    """A run as the schedule requests it; returns its id."""
    result = defs.resolve_job_def("refresh_recent_days").execute_in_process(
        instance=instance,
        tags=range_tags(first, last) | (tags or {}),
        run_config={"ops": {"marketing_stats_daily": {"config": {"clients": ["nobody"] if fails else []}}}},
        raise_on_error=False,
    )
    assert result.success is not fails
    return result.run_id


def prune_all(instance: dg.DagsterInstance) -> tuple[int, int, bool]:
    """Prune with every ended run counted as old."""
    return prune(instance, datetime.now(UTC) + timedelta(hours=1), FREQUENT_JOBS, ASSETS, [CHECK])


def days_as_the_ui_shows_them(instance: dg.DagsterInstance) -> tuple[set[str], set[str]]:
    """Materialized and failed days, computed from the events again: Dagster's cache would hide a loss."""
    instance.wipe_asset_cached_status([ASSET])
    with partition_loading_context(dynamic_partitions_store=instance):
        found = get_and_update_asset_status_cache_value(instance, ASSET, daily_partitions)
    assert found is not None
    materialized = found.deserialize_materialized_partition_subsets(daily_partitions)
    failed = found.deserialize_failed_partition_subsets(daily_partitions)
    return set(materialized.get_partition_keys()), set(failed.get_partition_keys())


def check_history(instance: dg.DagsterInstance) -> list[tuple[str, str]]:
    """Run and outcome of each execution of the check, newest first."""
    records = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=100)
    return [(record.run_id, record.status.value) for record in records]


def stored(storage: str, question: str, *values: Any) -> list[Any]:
    with psycopg.connect(storage) as connection:
        return connection.execute(question.encode(), values).fetchall()


@pytest.fixture
def storage(instance: dg.DagsterInstance) -> str:
    """The URL of Dagster's storage."""
    return os.environ["EVENTFLOW_DAGSTER_URL"]


def test_only_superseded_runs_are_deleted_and_no_day_or_check_changes(
    instance: dg.DagsterInstance, sampled: Database, tmp_path: Path, storage: str
) -> None:
    superseded = {
        refresh_run(instance, ONE, TWO, fails=True),
        refresh_run(instance, ONE, TWO),
        refresh_run(instance, ONE, TWO),
    }
    newest_of_day_one = refresh_run(instance, ONE, TWO)
    newest_of_day_two = refresh_run(instance, TWO, THREE)
    by_hand = rebuild_run(instance, THREE, THREE).run_id
    failed_by_hand = rebuild_run(instance, THREE, THREE, clients=["nobody"]).run_id
    newest_of_day_four = rebuild_run(instance, FOUR, FOUR).run_id
    shown, history = days_as_the_ui_shows_them(instance), check_history(instance)
    assert shown[0] == {"2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"}
    assert shown[1] == {"2026-03-03"}

    assert prune_all(instance) == (3, 2, True)

    left = {run.run_id for run in instance.get_runs()}
    assert left == {newest_of_day_one, newest_of_day_two, by_hand, failed_by_hand, newest_of_day_four}
    assert days_as_the_ui_shows_them(instance) == shown
    assert check_history(instance) == [entry for entry in history if entry[0] in left]
    for run_id in superseded:
        assert stored(storage, "SELECT FROM event_logs WHERE run_id = %s", run_id) == []
        assert stored(storage, "SELECT FROM asset_check_executions WHERE run_id = %s", run_id) == []
        assert stored(storage, "SELECT FROM run_tags WHERE run_id = %s", run_id) == []
        assert list(tmp_path.rglob(run_id)) == []
    assert list(tmp_path.rglob(newest_of_day_one)), "captured output of a run that stays"
    assert prune_all(instance) == (0, 2, True)


def test_a_day_whose_newest_run_failed_stays_failed(instance: dg.DagsterInstance, sampled: Database) -> None:
    refresh_run(instance, ONE, TWO)
    refresh_run(instance, ONE, TWO, fails=True)
    refresh_run(instance, FOUR, FOUR)
    shown = days_as_the_ui_shows_them(instance)
    assert shown[1] == {"2026-03-01", "2026-03-02"}

    assert prune_all(instance) == (0, 3, True)

    assert days_as_the_ui_shows_them(instance) == shown


def test_the_newest_run_of_a_check_stays(instance: dg.DagsterInstance, sampled: Database) -> None:
    last_checked = refresh_run(instance, ONE, ONE)
    # Its days are materialized again, by a run without checks.
    result = defs.resolve_job_def("rebuild_days").execute_in_process(
        instance=instance, tags=range_tags(ONE, ONE), op_selection=["marketing_stats_daily"], raise_on_error=False
    )
    assert result.success
    history = check_history(instance)
    assert {run_id for run_id, _ in history} == {last_checked}, history

    assert prune_all(instance) == (0, 1, True)

    assert check_history(instance) == history


def test_unfinished_runs_and_runs_of_backfills_stay(instance: dg.DagsterInstance, sampled: Database) -> None:
    job = defs.resolve_job_def("refresh_recent_days")
    unfinished = {
        instance.create_run_for_job(job, status=status, tags=range_tags(ONE, TWO)).run_id
        for status in (
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        )
    }
    of_backfill = refresh_run(instance, ONE, TWO, tags={BACKFILL_ID_TAG: "abcdefgh"})
    superseded = refresh_run(instance, ONE, TWO)
    newest = refresh_run(instance, ONE, TWO)

    assert prune_all(instance) == (1, 1, True)

    left = {run.run_id for run in instance.get_runs()}
    assert left == {*unfinished, of_backfill, newest}
    assert superseded not in left


def test_an_evaluation_without_time_left_leaves_the_rest_to_the_next(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    for _ in range(2):
        refresh_run(instance, ONE, ONE)
    later = datetime.now(UTC) + timedelta(hours=1)

    assert prune(instance, later, FREQUENT_JOBS, ASSETS, [CHECK], seconds=-1) == (0, 0, False)
    assert prune(instance, later, FREQUENT_JOBS, ASSETS, [CHECK]) == (1, 1, True)


def test_the_sensor_keeps_runs_of_seven_days_and_reports_what_it_did(
    instance: dg.DagsterInstance, sampled: Database, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = {refresh_run(instance, ONE, ONE): days for days in (30, 6, 4, 0)}
    with psycopg.connect(storage) as connection:
        for run_id, days in ages.items():
            connection.execute(
                "UPDATE runs SET create_timestamp = create_timestamp - make_interval(days => %s) WHERE run_id = %s",
                [days, run_id],
            )

    assert tick(instance) == "Deleted 1 runs older than 7 days, with their events."
    monkeypatch.setattr(prune_old_runs_module, "KEPT_DAYS", 5)
    assert tick(instance) == "Deleted 1 runs older than 5 days, with their events."

    assert {run.run_id for run in instance.get_runs()} == {run_id for run_id, days in ages.items() if days < 5}


def test_the_sensor_is_on_and_evaluated_once_an_hour() -> None:
    assert prune_old_runs.default_status == dg.DefaultSensorStatus.RUNNING
    assert prune_old_runs.minimum_interval_seconds == 3600


def tick(instance: dg.DagsterInstance) -> str | None:
    with dg.build_sensor_context(instance=instance, definitions=defs) as context:
        data = prune_old_runs.evaluate_tick(context)
    assert not data.run_requests
    return data.skip_message


def test_results_of_idle_ticks_are_deleted_except_the_newest_of_each_check(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    def stored() -> tuple[int, int]:
        with psycopg.connect(os.environ["EVENTFLOW_DAGSTER_URL"]) as storage:
            found = storage.execute(
                "SELECT (SELECT count(*) FROM event_logs WHERE run_id = ''), "
                "(SELECT count(*) FROM asset_check_executions WHERE run_id = '')"
            ).fetchone()
        assert found is not None
        return found

    for number in range(3):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=ASSET, check_name="rollup_is_fresh", passed=True, metadata={"number": number}
            )
        )
    fresh = dg.AssetCheckKey(ASSET, "rollup_is_fresh")
    before = datetime.now(UTC) + timedelta(hours=1)
    prune(instance, datetime.now(UTC) - timedelta(hours=1), FREQUENT_JOBS, ASSETS, [CHECK, fresh])
    assert stored() == (3, 3)

    prune(instance, before, FREQUENT_JOBS, ASSETS, [CHECK, fresh])

    assert stored() == (1, 1)
    left = instance.event_log_storage.get_latest_asset_check_execution_by_key([fresh])[fresh].event
    assert left is not None
