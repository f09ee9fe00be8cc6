"""The sensor that raises an alert when the rollup is too old, or was not verified for too long."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from eventflow_stats.engine.rollup.day_holds import alert_held_days
from eventflow_stats.engine.rollup.day_seals import alert_edited_days
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.orchestration.alerting import alert_on_error, raise_with
from eventflow_stats.orchestration.checks.standing_checks import freshness_result, history_result
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.settings import load_settings

_settings = load_settings()


@dg.sensor(
    minimum_interval_seconds=_settings.sensor_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells, once an hour, that facts of 30 minutes ago are not in the rollup, that rows changed which the "
    "sweeps did not look for in time, or that a day was not verified within EVENTFLOW_MAX_DRIFT_AGE, is held or was "
    "edited after it was sealed: also while the schedules are off. Starts no run.",
)
@alert_on_error("stale_rollup")
def stale_rollup(context: dg.SensorEvaluationContext, database: RollupDatabase) -> dg.SkipReason:
    with database.opened() as opened:
        alert_held_days(opened)
        alert_edited_days(opened)
        progress = read_freshness(opened, datetime.now(ZoneInfo(_settings.bucket_timezone)).date())
    results = {
        "is_fresh": freshness_result(progress),
        "history_verified_within_max_age": history_result(progress, _settings.max_drift_age),
    }
    failed = {
        name: result
        for name, result in results.items()
        if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR
    }
    for name, result in failed.items():
        raise_with(database, f"check failed: {name}", f"{name}: {result.description}")
    return dg.SkipReason(" ".join(str(result.description) for result in (failed or results).values()))
