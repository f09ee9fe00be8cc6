"""Which runs are not finished, so that no tick asks for the same work twice; how often a batch was tried."""

from datetime import datetime

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES

BATCH = "eventflow/batch"
"""The tag by which the runs that try the same work are known."""


def run_under_way(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """The id of an unfinished run of that job, queued ones included."""
    found = instance.get_run_ids(dg.RunsFilter(job_name=job_name, statuses=list(NOT_FINISHED_STATUSES)), limit=1)
    return found[0] if found else None


def times_tried(instance: dg.DagsterInstance, batch: str, since: datetime | None = None) -> int:
    """How many runs of that batch have ended, since a time or ever."""
    return instance.get_runs_count(
        dg.RunsFilter(tags={BATCH: batch}, statuses=list(FINISHED_STATUSES), created_after=since)
    )
