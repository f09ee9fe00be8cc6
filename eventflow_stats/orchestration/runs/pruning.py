"""Old runs of the fast jobs are deleted: hundreds a day, each of interest for as long as somebody may ask why.

What the UI still tells of the rollup survives: a run stays for as long as it is the newest one that materialized
some day, that was to materialize it (so a day that failed stays failed), or that evaluated some check.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import BACKFILL_ID_TAG

from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.jobs import (
    compute_data_quality,
    refresh_late_days,
    refresh_recent_days,
    verify_history,
)

FAST_JOBS = (refresh_recent_days.name, refresh_late_days.name, verify_history.name, compute_data_quality.name)
"""Jobs that run many times a day without anybody's asking; runs of all others are kept."""
KEPT_DAYS = 7
"""Days after which these runs are deleted; nobody looks at a run of a tick that is a week old."""
SECONDS = 20.0
"""How long one evaluation works; Dagster gives up one that takes 60 s. The next goes on where it ended."""
_BATCH = 50
_PER_PARTITION = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED}


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Deletes ended runs of the schedules and of late facts older than {KEPT_DAYS} days, with "
    "their events. A run that is the newest of some day or check stays. Starts no run.",
)
def prune_old_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    days = KEPT_DAYS
    repository = context.repository_def
    checks = repository.asset_graph.asset_check_keys if repository else marketing_stats_daily.check_keys
    deleted, kept, finished = prune(context.instance, datetime.now(UTC) - timedelta(days=days), list(checks))
    message = f"Deleted {deleted:,} runs older than {days} days, with their events"
    if kept:
        message += f"; kept {kept:,} that are the newest of some day or check"
    if not finished:
        message += "; there are more, for the next evaluation"
    return dg.SkipReason(message + ".")


def prune(
    instance: dg.DagsterInstance,
    before: datetime,
    checks: Sequence[dg.AssetCheckKey],
    seconds: float = SECONDS,
) -> tuple[int, int, bool]:
    """Delete ended runs of the fast jobs that were created before that instant, newest first, for so many seconds.

    Safe to interrupt and to repeat. Returns how many were deleted, how many of those looked at were kept, and
    whether all were looked at.
    """
    deadline = time.monotonic() + seconds
    deleted = kept = 0
    storage_ids = _newest_of_partitions(instance)
    of_checks = _newest_of_checks(instance, checks)
    for batch in _batches(instance, before):
        if time.monotonic() > deadline:
            return deleted, kept, False
        found = [run for run in batch if BACKFILL_ID_TAG not in run.tags]
        superseded = [
            run.run_id
            for run in found
            if run.run_id not in of_checks and storage_ids.isdisjoint(_events_of_partitions(instance, run.run_id))
        ]
        _delete(instance, superseded)
        deleted += len(superseded)
        kept += len(found) - len(superseded)
    _delete_runless(instance, before, checks)
    return deleted, kept, True


def _batches(instance: dg.DagsterInstance, before: datetime) -> Iterator[Sequence[dg.DagsterRun]]:
    for job in FAST_JOBS:
        ended = dg.RunsFilter(job_name=job, statuses=list(FINISHED_STATUSES), created_before=before)
        # All ids at once: Dagster's cursor is a run, which may be gone by the time the next page is asked for.
        run_ids = instance.get_run_ids(ended)
        for start in range(0, len(run_ids), _BATCH):
            yield instance.get_runs(dg.RunsFilter(run_ids=list(run_ids[start : start + _BATCH])))


def _newest_of_partitions(instance: dg.DagsterInstance) -> set[int]:
    """The events that the UI takes the state of each day from."""
    return {
        storage_id
        for kind in _PER_PARTITION
        for asset in (marketing_stats_daily, marketing_data_quality_daily)
        for storage_id in instance.get_latest_storage_id_by_partition(asset.key, kind).values()
    }


def _events_of_partitions(instance: dg.DagsterInstance, run_id: str) -> set[int]:
    return {record.storage_id for record in instance.get_records_for_run(run_id, of_type=_PER_PARTITION).records}


def _newest_of_checks(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> set[str]:
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    return {record.run_id for record in found.values()}


def _delete_runless(instance: dg.DagsterInstance, before: datetime, checks: Sequence[dg.AssetCheckKey]) -> None:
    """Results that idle ticks reported without a run, but for the newest of each check."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    shown = storage.get_latest_asset_check_execution_by_key(checks)
    executions, events = AssetCheckExecutionsTable.c, SqlEventLogStorageTable.c
    with storage.index_connection() as connection:
        old = connection.execute(
            sqlalchemy.select(executions.id, executions.evaluation_event_storage_id).where(
                executions.run_id == RUNLESS_RUN_ID,
                executions.evaluation_event_timestamp < before.astimezone(UTC).replace(tzinfo=None),
                executions.id.not_in([record.id for record in shown.values()]),
            )
        ).all()
        for start in range(0, len(old), _BATCH):
            batch = old[start : start + _BATCH]
            connection.execute(SqlEventLogStorageTable.delete().where(events.id.in_([event for _, event in batch])))
            connection.execute(AssetCheckExecutionsTable.delete().where(executions.id.in_([row for row, _ in batch])))


def _delete(instance: dg.DagsterInstance, run_ids: Collection[str]) -> None:
    # Runs last: one whose events went in an evaluation cut short is found again.
    storage = instance.event_log_storage
    if run_ids and isinstance(storage, SqlEventLogStorage):
        # Dagster leaves these behind: a row for each check of each run, with all it said.
        with storage.index_connection() as connection:
            connection.execute(
                AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id.in_(list(run_ids)))
            )
    for run_id in run_ids:
        storage.delete_events(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
