"""The sensor that raises an alert when the rollup is too old, or was not verified for too long. It starts no run."""

import dagster as dg

from eventflow_stats.engine.rollup.day_holds import alert_held_days
from eventflow_stats.engine.rollup.day_seals import alert_edited_days
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.orchestration.alerting import alert_on_error, send_alert
from eventflow_stats.orchestration.checks.freshness import freshness_result, history_result
from eventflow_stats.orchestration.partitions import current_day
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.settings import load_settings

_settings = load_settings()


@dg.sensor(
    minimum_interval_seconds=_settings.sensor_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Raises an alert, at most once an hour, when facts committed 30 minutes ago may be missing from the "
    "rollup, when rows changed and were not swept in time, when a day was not verified within EVENTFLOW_MAX_DRIFT_AGE, "
    "when a day is held, and when rows of a sealed day were edited. It works while the schedules are off. Starts no "
    "run.",
)
@alert_on_error("stale_rollup")
def stale_rollup(context: dg.SensorEvaluationContext, database: RollupDatabase) -> dg.SkipReason:
    with database.opened() as opened:
        alert_held_days(opened)
        alert_edited_days(opened)
        freshness = read_freshness(opened, current_day())
    results = {
        "rollup_is_fresh": freshness_result(freshness),
        "history_verified": history_result(freshness, _settings.max_drift_age),
    }
    failed = {
        name: result
        for name, result in results.items()
        if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR
    }
    for name, result in failed.items():
        send_alert(database, f"check failed: {name}", f"{name}: {result.description}")
    return dg.SkipReason(" ".join(str(result.description) for result in (failed or results).values()))
