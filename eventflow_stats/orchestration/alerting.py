"""The sensor that raises an alert when a run fails, whoever launched it: schedule, sensor, backfill or a person."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import wraps
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
    WILL_RETRY_TAG,
)

from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import Detection, detect
from eventflow_stats.errors import Failed, FailedDays, Unverifiable
from eventflow_stats.formatting import counted
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import first_reason
from eventflow_stats.orchestration.runs.run_tags import DAYS

# What differs between two failures of one cause: ids, days, times, ports.
_VARYING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\d+", re.IGNORECASE)
OURS = {dg.AssetKey("marketing_stats_daily"), dg.AssetKey("marketing_data_quality_daily")}


@dg.run_failure_sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    # Runs of the command line belong to no code location; see _is_ours.
    monitor_all_code_locations=True,
    description="Tells of runs that failed, killed ones included: one JSON line on stdout, and the webhook where one "
    "is set; failures of one cause at most once an hour. A run that is tried again by itself is not told of.",
)
def failed_runs(context: dg.RunFailureSensorContext, database: RollupDatabase) -> None:
    run = context.dagster_run
    if not _is_ours(context) or run.tags.get(WILL_RETRY_TAG) == "true":
        return
    cause, days = _cause(context), _days(run.tags)
    raise_with(
        database,
        f"run failed: {run.job_name}: {_VARYING.sub('#', cause)}",
        f"Run of {_name(run)} failed: {cause}. {f'Days {days}; run' if days else 'Run'} {run.run_id}",
        job=run.job_name,
        days=days,
        run_id=run.run_id,
        path=f"/runs/{run.run_id}",
    )


def raise_with(database: RollupDatabase, key: str, text: str, **details: Any) -> bool:
    """Raise an alert with the resource's database, or without it: that it cannot be had may be the very reason."""
    try:
        with database.opened() as opened:
            return raise_alert(opened, key, text, **details)
    except dg.Failure:
        return raise_alert(None, key, text, **details)


Evaluate = Callable[[Any, RollupDatabase], Any]


def alert_on_error(name: str) -> Callable[[Evaluate], Evaluate]:
    """Makes the evaluation of a schedule or sensor raise an alert when it fails: no run fails then, and without it
    nobody would be told. The error goes on to Dagster's tick."""

    def decorate(evaluate: Evaluate) -> Evaluate:
        @wraps(evaluate)
        def evaluated(context: Any, database: RollupDatabase) -> Any:
            try:
                return evaluate(context, database)
            except Exception as error:
                if isinstance(error.__cause__, Unverifiable):
                    # One alert for all schedules and sensors: they find the same.
                    raise_with(database, f"unverifiable: {', '.join(error.__cause__.broken)}", str(error.__cause__))
                    raise
                cause = first_line((error.description if isinstance(error, dg.Failure) else None) or str(error))
                raise_with(database, f"tick failed: {name}: {_VARYING.sub('#', cause)}", f"{name} failed: {cause}")
                raise

        return evaluated

    return decorate


def alert_failed_days(database: Database, what: str, failed: FailedDays) -> str | None:
    """What is said of days that could not be ``what``, and an alert of it; None without any.

    For work that goes on without these days: no tick and no run fails with them, and nobody would be told."""
    if not failed:
        return None
    message = f"{counted(len(failed), 'day')} could not be {what}: {first_reason(failed)}"
    raise_alert(database, f"not {what}: {_VARYING.sub('#', message)}", message, days=[str(day) for day in failed])
    return message


def detect_or_alert(database: Database, last_days: Sequence[date] = ()) -> Detection | str:
    """What a detection found; where facts are damaged that it has to read, what is said of that, after an alert.

    Sweeps find the new facts of days that can be read, so a tick goes on without it."""
    try:
        return detect(database, last_days)
    except Failed as error:
        if not error.unreadable:
            raise
        message = f"new facts could not be looked for: {error}"
        raise_alert(database, f"detection failed: {_VARYING.sub('#', str(error))}", message)
        return message


def _is_ours(context: dg.RunFailureSensorContext) -> bool:
    """Whether the run is of this project, in a Dagster that may have others: by its job, and where that is the one
    for materializing by hand, which all projects have, by its asset."""
    repository, run = context.repository_def, context.dagster_run
    if repository is not None and not repository.has_job(run.job_name):
        return False
    return not run.asset_selection or not OURS.isdisjoint(run.asset_selection)


def _cause(context: dg.RunFailureSensorContext) -> str:
    """The first line of what went wrong: in the first step that failed, else of the run itself."""
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return first_line(data.user_failure_data.description)
        error = data.error
        # Dagster wraps the asset's own error in one that says which step it was.
        while error is not None and error.cls_name == "DagsterExecutionStepExecutionError" and error.cause is not None:
            error = error.cause
        if error is not None:
            return first_line(error.message)
    return first_line(context.failure_event.message or "the run failed")


def first_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0].rstrip(".")[:300] if lines else "no reason given"


def _name(run: dg.DagsterRun) -> str:
    """What a person calls the job; materializing in the UI has none of a name that says anything."""
    if not run.job_name.startswith("__"):
        return run.job_name
    return "a backfill" if BACKFILL_ID_TAG in run.tags else "a materialization"


def _days(tags: Mapping[str, str]) -> str | None:
    if DAYS in tags:
        return tags[DAYS]
    if ASSET_PARTITION_RANGE_START_TAG in tags:
        return f"{tags[ASSET_PARTITION_RANGE_START_TAG]} to {tags[ASSET_PARTITION_RANGE_END_TAG]}"
    return tags.get(PARTITION_NAME_TAG)
