"""The tags of each run in the UI's run list: its days, its mode and its reason."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.runs.run_tags import DAYS, MODE, REASON, add_run_tags, span
from eventflow_stats_tests.orchestration.runs import run, run_verification


def tags_after(instance: dg.DagsterInstance, tags: dict[str, str]) -> dict[str, str]:
    """The tags of a run of the asset's own job, as the Materialize dialog launches it."""
    partition = {"dagster/partition": "2026-03-01"} if "dagster/asset_partition_range_start" not in tags else {}
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, tags={**partition, **tags}, raise_on_error=False
    )
    assert result.success
    return explained(instance, result.run_id)


def explained(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return {name: value for name, value in found.tags.items() if name in (DAYS, MODE, REASON)}


@pytest.mark.parametrize(
    ("tags", "days", "reason"),
    [
        ({"dagster/from_ui": "true"}, "2026-03-01", "launched in the UI"),
        ({}, "2026-03-01", "launched by hand"),
        (
            {**range_tags(date(2026, 1, 1), date(2026, 3, 31)), "dagster/backfill": "abcdefgh"},
            "2026-01-01 to 2026-03-31",
            "backfill abcdefgh",
        ),
    ],
)
def test_a_run_launched_by_a_person_gets_its_tags_at_the_start(
    instance: dg.DagsterInstance, facts: Database, tags: dict[str, str], days: str, reason: str
) -> None:
    assert tags_after(instance, tags) == {DAYS: days, MODE: "rebuild", REASON: reason}


def test_a_run_that_fails_gets_its_tags_too(instance: dg.DagsterInstance, facts: Database) -> None:
    result = run(instance, clients=["nobody"])

    assert not result.success
    assert explained(instance, result.run_id) == {
        DAYS: "2026-03-01 to 2026-03-04",
        MODE: "rebuild",
        REASON: "launched by hand",
    }


def test_tags_that_a_run_already_has_do_not_change(instance: dg.DagsterInstance, facts: Database) -> None:
    brought = {DAYS: "one day", MODE: "refresh", REASON: "because"}

    assert tags_after(instance, brought) == brought
    assert tags_after(instance, {REASON: "because"}) == {DAYS: "2026-03-01", MODE: "rebuild", REASON: "because"}


def test_the_tags_of_a_verification_have_the_days_of_its_config(instance: dg.DagsterInstance, facts: Database) -> None:
    run_verification(instance, date(2026, 3, 2), date(2026, 3, 3))

    (found,) = instance.get_runs()
    assert explained(instance, found.run_id) == {
        DAYS: "2026-03-02 to 2026-03-03",
        MODE: "verify",
        REASON: "launched by hand",
    }


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("dagster/schedule_name", "schedule of_some_name"),
        ("dagster/sensor_name", "sensor of_some_name"),
    ],
)
def test_the_reason_of_a_run_that_dagster_started_names_what_started_it(
    instance: dg.DagsterInstance, tag: str, reason: str
) -> None:
    job = defs.resolve_job_def("rebuild_days")
    run_id = instance.create_run_for_job(job, tags={tag: "of_some_name"}).run_id

    add_run_tags(instance, run_id, [date(2026, 3, 2), date(2026, 3, 1)], "rebuild")

    assert explained(instance, run_id) == {DAYS: "2026-03-01 to 2026-03-02", MODE: "rebuild", REASON: reason}


def test_one_day_is_not_reported_as_a_range() -> None:
    today = datetime.now(UTC).date()
    assert span(today, today) == str(today)
