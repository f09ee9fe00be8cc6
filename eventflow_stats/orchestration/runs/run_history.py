"""Reads from Dagster's storage which runs are active and which have ended, so that no tick requests work twice."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from eventflow_stats.orchestration.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    FINISHED_STATUSES,
    NOT_FINISHED_STATUSES,
)

BATCH = "eventflow/batch"
"""The tag that all attempts at the same work share."""


def run_under_way(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """The id of a run of that job that has not finished, queued runs included; None without one."""
    found = instance.get_run_ids(dg.RunsFilter(job_name=job_name, statuses=list(NOT_FINISHED_STATUSES)), limit=1)
    return found[0] if found else None


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended, and the days it covered, both ends included; ``created_at`` in UTC."""

    run_id: str
    failed: bool
    created_at: datetime
    first_day: str
    last_day: str

    def covers(self, day: date) -> bool:
        return self.first_day <= str(day) <= self.last_day


def ended_runs(instance: dg.DagsterInstance, job_name: str, since: datetime) -> list[EndedRun]:
    """The ended runs of that job that were created since a time, newest first."""
    ended = dg.RunsFilter(job_name=job_name, statuses=list(FINISHED_STATUSES), created_after=since)
    return [
        EndedRun(
            record.dagster_run.run_id,
            record.dagster_run.status != dg.DagsterRunStatus.SUCCESS,
            record.create_timestamp,
            record.dagster_run.tags.get(ASSET_PARTITION_RANGE_START_TAG, ""),
            record.dagster_run.tags.get(ASSET_PARTITION_RANGE_END_TAG, ""),
        )
        for record in instance.get_run_records(ended)
    ]


@dataclass(frozen=True)
class Tries:
    """How many runs of a batch have ended, and the id of the newest."""

    count: int
    newest: str | None


def tries(instance: dg.DagsterInstance, batch: str, since: datetime | None = None) -> Tries:
    """Count the runs of that batch that have ended, of those created since a time if one is given."""
    ended = dg.RunsFilter(tags={BATCH: batch}, statuses=list(FINISHED_STATUSES), created_after=since)
    found = instance.get_runs(ended)
    return Tries(len(found), found[0].run_id if found else None)


def run_key(instance: dg.DagsterInstance, batch: str) -> str:
    """A key for the next run of a batch; it changes when a run of the batch has ended, and never repeats.

    Dagster stores every key for ever and drops a request that repeats one. The number of attempts would repeat,
    because old runs are deleted, so the key has the id of the newest run; if all were deleted, it has today's date.
    """
    return f"{batch}-{tries(instance, batch).newest or datetime.now(UTC).date()}"
