"""The sensor that raises an alert when the rollup is too old, or was not proved for too long."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from eventflow_stats.engine.guard import alert_held_days
from eventflow_stats.engine.sealing import alert_edited_days
from eventflow_stats.engine.upkeep import upkeep
from eventflow_stats.orchestration.alerting import alarmed, raise_with
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.standing_checks import freshness_result, history_result
from eventflow_stats.settings import load_settings

_settings = load_settings()


@dg.sensor(
    minimum_interval_seconds=_settings.sensor_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells, once an hour, that facts of 30 minutes ago are not in the rollup, that rows changed which the "
    "sweeps did not look for in time, or that a day was not proved within EVENTFLOW_MAX_DRIFT_AGE, is held or was "
    "edited after it was sealed: also while the schedules are off. Starts no run.",
)
@alarmed("stale_rollup")
def stale_rollup(context: dg.SensorEvaluationContext, database: RollupDatabase) -> dg.SkipReason:
    with database.opened() as opened:
        alert_held_days(opened)
        alert_edited_days(opened)
        stands = upkeep(opened, datetime.now(ZoneInfo(_settings.bucket_timezone)).date())
    results = {
        "is_fresh": freshness_result(stands),
        "history_proved_within_max_drift_age": history_result(stands, _settings.max_drift_age),
    }
    failed = {
        name: result
        for name, result in results.items()
        if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR
    }
    for name, result in failed.items():
        raise_with(database, f"check failed: {name}", f"{name}: {result.description}")
    return dg.SkipReason(" ".join(str(result.description) for result in (failed or results).values()))
