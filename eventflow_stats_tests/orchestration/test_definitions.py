"""The definitions as Dagster loads them, also by its plain commands."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime

import dagster as dg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.errors import InvalidInput
from eventflow_stats.orchestration.partitions import daily_partitions, range_tags
from eventflow_stats_tests.orchestration.conftest import ROOT

ASSET = dg.AssetKey("marketing_stats_daily")


def test_today_is_a_partition_and_tomorrow_is_not() -> None:
    now = datetime(2026, 3, 4, 0, 0, 1, tzinfo=UTC)

    keys = daily_partitions.get_partition_keys(current_time=now)

    assert keys[-1] == "2026-03-04"
    assert keys[0] == "2012-01-01"


def test_a_backfill_of_a_thousand_days_is_four_runs() -> None:
    policy = defs.resolve_asset_graph().get(ASSET).backfill_policy

    assert policy is not None
    assert policy.max_partitions_per_run == 250


def test_the_asset_has_columns_owners_kinds_and_upstream_tables() -> None:
    node = defs.resolve_asset_graph().get(ASSET)

    schema = node.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert {"client_id", "bucket_date", "visits", "conversions", "cvr"} <= {column.name for column in schema.columns}
    assert node.owners == ["team:marketing-analytics"]
    assert node.kinds == {"postgres", "sql"}
    upstream = {key.to_user_string() for key in node.parent_keys}
    assert {"event_access_logs", "event_survey_entries"} <= upstream
    assert all(not defs.resolve_asset_graph().get(key).is_executable for key in node.parent_keys)


@pytest.mark.parametrize(
    ("first", "last", "wrong"),
    [
        (date(2011, 12, 31), date(2012, 1, 2), "2011-12-31 has no partition"),
        (date(2026, 1, 1), date(2200, 1, 1), "2200-01-01 has no partition"),
        (date(2026, 1, 2), date(2026, 1, 1), "2026-01-02 is after 2026-01-01"),
    ],
)
def test_a_range_with_a_day_without_partition_is_refused(first: date, last: date, wrong: str) -> None:
    with pytest.raises(InvalidInput, match=wrong):
        range_tags(first, last)


def test_every_sensor_is_on_by_default() -> None:
    found = {sensor.name: sensor.default_status for sensor in defs.sensors or []}

    names = ["late_facts", "repair", "failed_runs", "stale_rollup", "prune_old_runs"]
    assert found == dict.fromkeys(names, dg.DefaultSensorStatus.RUNNING)


def test_settings_shorten_the_ticks_the_rolling_verification_and_the_sensors() -> None:
    code = (
        "from eventflow_stats.orchestration.schedules import every_five_minutes, rolling_verification;"
        "from eventflow_stats.orchestration.sensors.late_facts import late_facts;"
        "from eventflow_stats.orchestration.sensors.repair import repair;"
        "print(every_five_minutes.cron_schedule, rolling_verification.cron_schedule,"
        " late_facts.minimum_interval_seconds, repair.minimum_interval_seconds)"
    )
    environment = {**os.environ, "EVENTFLOW_TICK_MINUTES": "1", "EVENTFLOW_SENSOR_SECONDS": "12"}

    message = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert message.stdout.strip() == "*/1 * * * * */2 * * * * 12 12"


def test_days_follow_the_bucket_time_zone() -> None:
    code = (
        "from eventflow_stats.orchestration.partitions import daily_partitions as p; import datetime as d;"
        "print(p.get_partition_keys(current_time=d.datetime(2026, 3, 3, 15, 0, 1, tzinfo=d.UTC))[-1])"
    )
    environment = {**os.environ, "EVENTFLOW_BUCKET_TIMEZONE": "Asia/Seoul"}

    message = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert message.stdout.strip() == "2026-03-04"


def test_plain_dagster_loads_the_workspace(instance: dg.DagsterInstance) -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(ROOT / "workspace.yaml")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stderr + done.stdout


def test_a_bare_postgresql_url_is_given_the_driver_dagster_needs(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eventflow_stats.orchestration.storage import storage_url

    monkeypatch.setenv("EVENTFLOW_DAGSTER_URL", "postgres://someone@example.invalid/dagster")

    assert storage_url() == "postgresql+psycopg2://someone@example.invalid/dagster"
