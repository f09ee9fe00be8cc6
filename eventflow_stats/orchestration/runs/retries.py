"""Trying again after a lost connection or a conflict, with growing pauses.

Here and not by Dagster's retry of a step: a step that starts again computes every day of its range again, and
reports days a second time that its first attempt had committed.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Generic, TypeVar

import dagster as dg

from eventflow_stats.engine.quality.kpis import ComputedQuality
from eventflow_stats.engine.rollup.rebuild import RebuiltDay
from eventflow_stats.engine.verification.seal import SealedDay
from eventflow_stats.engine.verification.verify import VerifiedDay
from eventflow_stats.errors import Conflict, DayBusy, Failed, FailedDays, OnFailedDay, Unreachable, UnverifiableDay

MOST_RETRIES = 3
FIRST_PAUSE_SECONDS = 5.0
"""Before the first retry; each further pause is twice as long."""
JITTER = 0.25
"""Share by which a pause varies, so that runs cut off together do not all come back at once."""

Answer = TypeVar("Answer")
OneDay = TypeVar("OneDay", bound=RebuiltDay | VerifiedDay | ComputedQuality | SealedDay)


def with_retries(work: Callable[[], Answer], log: dg.DagsterLogManager | logging.Logger) -> Answer:
    """What ``work`` returns; called again, at most three times, where the connection or a conflict failed it.

    The pauses are 5, 10 and 20 seconds. ``work`` has to be safe to repeat, as every
    operation of the engine is: a transaction that failed left nothing.

    Raises:
        Unreachable, Conflict: the last attempt failed too.
    """
    for retry in range(MOST_RETRIES):
        try:
            return work()
        except (Unreachable, Conflict) as error:
            pause = FIRST_PAUSE_SECONDS * 2**retry * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
            log.warning(f"{error}; trying again in {pause:.1f} s ({retry + 1} of {MOST_RETRIES})")
            time.sleep(pause)
    return work()


class DayByDay(Generic[OneDay]):
    """What ``work`` yields, day after day; one day that fails does not keep the others from being done.

    Goes on with the days still to do when a connection is lost, or a conflict was in the way; days that were yielded,
    or failed, are not asked for again, and each has its three retries. A day that another run writes, or that the
    database gave up on, is in ``failed`` once all were iterated over, as is one with a conflict at each try.
    """

    def __init__(
        self,
        work: Callable[[Sequence[date], OnFailedDay], Iterator[OneDay]],
        days: Sequence[date],
        log: dg.DagsterLogManager | logging.Logger,
    ) -> None:
        self.failed: FailedDays = {}
        self._work = work
        self._todo = sorted(set(days))
        self._log = log
        self._conflicting: date | None = None

    def __iter__(self) -> Iterator[OneDay]:
        """Yields each day as it is done.

        Raises:
            Unreachable: one day failed four times.
        """
        answers = self._start()

        def one_more() -> OneDay | None:
            nonlocal answers
            self._conflicting = None
            try:
                return next(answers, None)
            except (Unreachable, Conflict):
                # A generator that raised has ended.
                answers = self._start()
                raise

        while True:
            try:
                answer = with_retries(one_more, self._log)
            except Conflict as error:
                if self._conflicting is None:
                    raise
                self._pass_over(self._conflicting, error)
                answers = self._start()
                continue
            if answer is None:
                return
            self._todo = [day for day in self._todo if day > answer.day]
            yield answer

    def _start(self) -> Iterator[OneDay]:
        return self._work([day for day in self._todo if day not in self.failed], self._note)

    def _note(self, day: date, error: DayBusy | Failed) -> None:
        if isinstance(error, Conflict):
            self._conflicting = day
            raise error
        self._pass_over(day, error)

    def _pass_over(self, day: date, error: DayBusy | Failed) -> None:
        self.failed[day] = error
        # A fault of ours keeps its traceback, and no other day from being done.
        fault = error if isinstance(error, Failed) and error.fault else None
        self._log.error(f"{_reason(day, error)}; going on with the other days", exc_info=fault)


def first_reason(failed: FailedDays) -> str:
    """Which day failed first, and why."""
    return _reason(*next(iter(failed.items())))


def _reason(day: date, error: DayBusy | Failed) -> str:
    return str(error) if isinstance(error, DayBusy | UnverifiableDay) else f"{day}: {error}"
