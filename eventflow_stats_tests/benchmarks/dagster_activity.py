"""Reads from Dagster's storage which ticks and runs there were."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


@dataclass(frozen=True)
class Ticks:
    """The ticks of one schedule or sensor, and how many of them asked for a run, were skipped, and failed.

    ``times`` are the seconds since the epoch at which each tick was due (a sensor's: began), ascending. ``under_way``
    is the number of ticks that were skipped because a run was under way.
    """

    name: str
    times: tuple[float, ...]
    asked: int
    skipped: int
    failed: int
    under_way: int


@dataclass(frozen=True)
class Runs:
    """The runs of one job: how many have each status, and the seconds of each ended run."""

    job: str
    statuses: Counter[str]
    seconds: tuple[float, ...]


def ticks_of(instance: dg.DagsterInstance, since: float) -> dict[str, Ticks]:
    """Return the ticks since a time of every schedule and sensor that is switched on, by name."""
    found = {}
    for state in instance.all_instigator_state():
        if state.status == InstigatorStatus.STOPPED:
            continue
        ticks = [
            tick
            for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)
            if tick.timestamp >= since and tick.status != TickStatus.STARTED
        ]
        by_status = Counter(tick.status for tick in ticks)
        found[state.instigator_name] = Ticks(
            state.instigator_name,
            tuple(sorted(tick.timestamp for tick in ticks)),
            by_status[TickStatus.SUCCESS],
            by_status[TickStatus.SKIPPED],
            by_status[TickStatus.FAILURE],
            sum("active" in (tick.skip_reason or "") for tick in ticks),
        )
    return found


def runs_of(instance: dg.DagsterInstance, since: float) -> list[Runs]:
    """Return the runs that were created since a time, by job."""
    records = [record for record in instance.get_run_records() if record.create_timestamp.timestamp() >= since]
    return [
        Runs(
            job,
            Counter(record.dagster_run.status.value for record in of_job),
            tuple(
                record.end_time - record.start_time
                for record in of_job
                if record.start_time is not None and record.end_time is not None
            ),
        )
        for job in sorted({record.dagster_run.job_name for record in records})
        if (of_job := [record for record in records if record.dagster_run.job_name == job])
    ]


def unfinished(runs: Sequence[Runs]) -> int:
    """Return how many runs are queued or under way."""
    return sum(run.statuses[status] for run in runs for status in UNFINISHED)
