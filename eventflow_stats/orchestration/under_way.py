"""Which runs are not finished, so that no tick asks for the same work twice; how often a batch was tried."""

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES

BATCH = "eventflow/batch"
"""The tag by which the runs that try the same work are known."""


def run_under_way(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """The id of an unfinished run of that job, queued ones included."""
    found = instance.get_run_ids(dg.RunsFilter(job_name=job_name, statuses=list(NOT_FINISHED_STATUSES)), limit=1)
    return found[0] if found else None


@dataclass(frozen=True)
class Tries:
    """The ended runs of a batch: how many, how many of them failed, and the newest one's id."""

    count: int
    failed: int
    newest: str | None


def tries(instance: dg.DagsterInstance, batch: str, since: datetime | None = None) -> Tries:
    """The runs of that batch that have ended, since a time or ever."""
    ended = dg.RunsFilter(tags={BATCH: batch}, statuses=list(FINISHED_STATUSES), created_after=since)
    found = instance.get_runs(ended)
    failed = [run for run in found if run.status != dg.DagsterRunStatus.SUCCESS]
    return Tries(len(found), len(failed), found[0].run_id if found else None)


def run_key(instance: dg.DagsterInstance, batch: str) -> str:
    """A key for the next run of a batch: the same until a run of it has ended, then never that one again.

    Dagster keeps every key for ever and drops a request that repeats one, so nothing in it may go back: not the
    number of tries, of which old ones are forgotten. The day is there for a batch whose runs were all pruned.
    """
    return f"{batch}-{tries(instance, batch).newest or datetime.now(UTC).date()}"
