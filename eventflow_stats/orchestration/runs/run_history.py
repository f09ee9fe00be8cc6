"""Which runs are not finished, so that no tick asks for the same work twice; how often a batch was tried."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

BATCH = "eventflow/batch"
"""The tag by which the runs that try the same work are known."""


def run_under_way(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """The id of an unfinished run of that job, queued ones included."""
    found = instance.get_run_ids(dg.RunsFilter(job_name=job_name, statuses=list(NOT_FINISHED_STATUSES)), limit=1)
    return found[0] if found else None


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended, of the days from first to last, both included; ``created_at`` in UTC."""

    run_id: str
    failed: bool
    created_at: datetime
    first_day: str
    last_day: str

    def covers(self, day: date) -> bool:
        return self.first_day <= str(day) <= self.last_day


def ended_runs(instance: dg.DagsterInstance, job_name: str, since: datetime) -> list[EndedRun]:
    """The runs of that job created since a time that have ended, newest first."""
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
    """The ended runs of a batch: how many, and the newest one's id."""

    count: int
    newest: str | None


def tries(instance: dg.DagsterInstance, batch: str, since: datetime | None = None) -> Tries:
    """The runs of that batch that have ended, since a time or ever."""
    ended = dg.RunsFilter(tags={BATCH: batch}, statuses=list(FINISHED_STATUSES), created_after=since)
    found = instance.get_runs(ended)
    return Tries(len(found), found[0].run_id if found else None)


def run_key(instance: dg.DagsterInstance, batch: str) -> str:
    """A key for the next run of a batch: the same until a run of it has ended, then never that one again.

    Dagster keeps every key for ever and drops a request that repeats one, so nothing in it may go back: not the
    number of tries, of which old ones are forgotten. The day is there for a batch whose runs were all pruned.
    """
    return f"{batch}-{tries(instance, batch).newest or datetime.now(UTC).date()}"
