"""Deletes old runs of jobs that run hundreds of times a day, so that Dagster's storage does not grow for ever.

The UI keeps its state of the rollup: a run stays while it is the newest that materialized a day, the newest that was to
materialize a day (so a day that failed stays failed), or the newest that evaluated a check.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import sqlalchemy

from eventflow_stats.orchestration.dagster_internals import (
    BACKFILL_ID_TAG,
    FINISHED_STATUSES,
    RUNLESS_RUN_ID,
    AssetCheckExecutionsTable,
    SqlEventLogStorage,
    SqlEventLogStorageTable,
)

SECONDS = 20.0
"""How long one call works; Dagster gives up a sensor's evaluation after 60 s. The next call continues."""
_BATCH = 50
_PER_PARTITION = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED}


def prune(
    instance: dg.DagsterInstance,
    before: datetime,
    jobs: Sequence[str],
    assets: Sequence[dg.AssetKey],
    checks: Sequence[dg.AssetCheckKey],
    seconds: float = SECONDS,
) -> tuple[int, int, bool]:
    """Delete finished runs of these jobs that were created before that instant, newest first; stop after ``seconds``.

    It keeps the newest runs of the assets' partitions and of the checks. Safe to interrupt and to repeat. Returns how
    many runs were deleted, how many were kept, and whether all were examined.
    """
    deadline = time.monotonic() + seconds
    deleted = kept = 0
    storage_ids = _newest_of_partitions(instance, assets)
    of_checks = _newest_of_checks(instance, checks)
    for batch in _batches(instance, before, jobs):
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


def _batches(instance: dg.DagsterInstance, before: datetime, jobs: Sequence[str]) -> Iterator[Sequence[dg.DagsterRun]]:
    for job in jobs:
        ended = dg.RunsFilter(job_name=job, statuses=list(FINISHED_STATUSES), created_before=before)
        # All ids at once: Dagster's cursor is a run, and that run may be deleted before the next page is read.
        run_ids = instance.get_run_ids(ended)
        for start in range(0, len(run_ids), _BATCH):
            yield instance.get_runs(dg.RunsFilter(run_ids=list(run_ids[start : start + _BATCH])))


def _newest_of_partitions(instance: dg.DagsterInstance, assets: Sequence[dg.AssetKey]) -> set[int]:
    """The events from which the UI takes the state of each day."""
    return {
        storage_id
        for kind in _PER_PARTITION
        for asset in assets
        for storage_id in instance.get_latest_storage_id_by_partition(asset, kind).values()
    }


def _events_of_partitions(instance: dg.DagsterInstance, run_id: str) -> set[int]:
    return {record.storage_id for record in instance.get_records_for_run(run_id, of_type=_PER_PARTITION).records}


def _newest_of_checks(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> set[str]:
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    return {record.run_id for record in found.values()}


def _delete_runless(instance: dg.DagsterInstance, before: datetime, checks: Sequence[dg.AssetCheckKey]) -> None:
    """Delete the results that idle ticks reported without a run, except the newest of each check."""
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
    # The run is deleted last: if the process stops before that, the next call finds the run again.
    storage = instance.event_log_storage
    if run_ids and isinstance(storage, SqlEventLogStorage):
        # Dagster does not delete these rows: one for each check of each run, with its metadata.
        with storage.index_connection() as connection:
            connection.execute(
                AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id.in_(list(run_ids)))
            )
    for run_id in run_ids:
        storage.delete_events(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
