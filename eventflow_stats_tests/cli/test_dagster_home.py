"""The environment that Dagster's processes get."""

from pathlib import Path

import pytest

from eventflow_stats.cli.dagster_home import dagster_environment
from eventflow_stats.settings import Settings


def test_a_tick_may_last_longer_than_dagsters_minute_and_as_long_as_the_operator_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule, sensor = "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"
    monkeypatch.delenv(schedule, raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv(sensor, "77")

    found = dagster_environment(Settings(data_dir=tmp_path))

    assert (found[schedule], found[sensor]) == ("300", "77")
