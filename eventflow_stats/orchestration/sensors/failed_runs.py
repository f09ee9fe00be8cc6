"""The sensor that raises an alert when a run fails, launched by a schedule, a sensor, a backfill or an operator."""

from collections.abc import Mapping

import dagster as dg

from eventflow_stats.orchestration.alerting import first_line, send_alert, without_ids
from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
    WILL_RETRY_TAG,
)
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.run_tags import DAYS

OWN_ASSETS = {marketing_stats_daily.key, marketing_data_quality_daily.key}


@dg.run_failure_sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    # Runs of the command line belong to no code location; see _is_own_run.
    monitor_all_code_locations=True,
    description="Raises an alert when a run has failed or was killed: one JSON line on stdout, and a message to the "
    "webhook if one is set. Failures with the same cause raise one alert an hour. A run that Dagster is about to "
    "retry raises none.",
)
def failed_runs(context: dg.RunFailureSensorContext, database: RollupDatabase) -> None:
    run = context.dagster_run
    if not _is_own_run(context) or run.tags.get(WILL_RETRY_TAG) == "true":
        return
    cause, days = _cause(context), _days(run.tags)
    send_alert(
        database,
        f"run failed: {run.job_name}: {without_ids(cause)}",
        f"Run of {_name(run)} failed: {cause}. {f'Days {days}; run' if days else 'Run'} {run.run_id}",
        job=run.job_name,
        days=days,
        run_id=run.run_id,
        path=f"/runs/{run.run_id}",
    )


def _is_own_run(context: dg.RunFailureSensorContext) -> bool:
    """Whether the run is of this project; a Dagster may have other projects too.

    The job decides. All projects have a job of the same name for materializing by hand; there the assets decide."""
    repository, run = context.repository_def, context.dagster_run
    if repository is not None and not repository.has_job(run.job_name):
        return False
    return not run.asset_selection or not OWN_ASSETS.isdisjoint(run.asset_selection)


def _cause(context: dg.RunFailureSensorContext) -> str:
    """The first line of the error in the first step that failed; without a failed step, the error of the run."""
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return first_line(data.user_failure_data.description)
        error = data.error
        # Dagster wraps the asset's own error in one that names the step.
        while error is not None and error.cls_name == "DagsterExecutionStepExecutionError" and error.cause is not None:
            error = error.cause
        if error is not None:
            return first_line(error.message)
    return first_line(context.failure_event.message or "the run failed")


def _name(run: dg.DagsterRun) -> str:
    """The job's name; a run that was launched in the UI has a generated one, which says nothing to a person."""
    if not run.job_name.startswith("__"):
        return run.job_name
    return "a backfill" if BACKFILL_ID_TAG in run.tags else "a materialization"


def _days(tags: Mapping[str, str]) -> str | None:
    if DAYS in tags:
        return tags[DAYS]
    if ASSET_PARTITION_RANGE_START_TAG in tags:
        return f"{tags[ASSET_PARTITION_RANGE_START_TAG]} to {tags[ASSET_PARTITION_RANGE_END_TAG]}"
    return tags.get(PARTITION_NAME_TAG)
