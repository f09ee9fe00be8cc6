"""Trying again after a lost connection or a conflict, with growing pauses.

Here and not by Dagster's retry of a step: a step that starts again computes every day of its range again, and
reports days a second time that its first attempt had committed.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import TypeVar

import dagster as dg

from eventflow_stats.engine.prove import ProvedDay
from eventflow_stats.engine.rebuild import RebuiltDay
from eventflow_stats.errors import Conflict, DayBusy, OnBusy, Unreachable
from eventflow_stats.settings import load_settings

MOST_RETRIES = 3
JITTER = 0.25
"""Share by which a pause varies, so that runs cut off together do not all come back at once."""

Answer = TypeVar("Answer")
OneDay = TypeVar("OneDay", RebuiltDay, ProvedDay)


def patiently(work: Callable[[], Answer], log: dg.DagsterLogManager | logging.Logger) -> Answer:
    """What ``work`` returns; called again, at most three times, where the connection or a conflict failed it.

    The pauses are setting EVENTFLOW_RETRY_DELAY and its doubles. ``work`` has to be safe to repeat, as every
    operation of the engine is: a transaction that failed left nothing.

    Raises:
        Unreachable, Conflict: the last attempt failed too.
    """
    for retry in range(MOST_RETRIES):
        try:
            return work()
        except (Unreachable, Conflict) as error:
            pause = load_settings().retry_delay * 2**retry * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
            log.warning(f"{error}; trying again in {pause:.1f} s ({retry + 1} of {MOST_RETRIES})")
            time.sleep(pause)
    return work()


def day_by_day(
    work: Callable[[Sequence[date]], Iterator[OneDay]],
    days: Sequence[date],
    log: dg.DagsterLogManager | logging.Logger,
) -> Iterator[OneDay]:
    """What ``work`` yields, day after day; goes on behind the last of them when a connection is lost.

    Days it yielded are never asked for again, and each has its three retries.

    Raises:
        Unreachable, Conflict: one day failed four times.
    """
    todo = sorted(set(days))
    answers = work(todo)

    def one_more() -> OneDay | None:
        nonlocal answers
        try:
            return next(answers, None)
        except (Unreachable, Conflict):
            # A generator that raised has ended.
            answers = work(todo)
            raise

    while (answer := patiently(one_more, log)) is not None:
        todo = [day for day in todo if day > answer.day]
        yield answer


def note_busy(busy: dict[date, DayBusy]) -> OnBusy:
    """Keeps what is said of each busy day once, however often it was come upon."""
    return lambda error: busy.update({error.day: error})
