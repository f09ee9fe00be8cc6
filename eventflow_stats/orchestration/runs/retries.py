"""Retries after a lost connection or a conflict, with growing pauses.

Dagster's own retry restarts the whole step. It would compute every day of the range again, and report days a second
time that the first attempt had committed.
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
from eventflow_stats.engine.verification.sealing import SealedDay
from eventflow_stats.engine.verification.verify import VerifiedDay
from eventflow_stats.errors import Conflict, DayBusy, Failed, FailedDays, OnFailedDay, Unreachable, UnverifiableDay

MOST_RETRIES = 3
FIRST_PAUSE_SECONDS = 5.0
"""Before the first retry; each further pause is twice as long."""
JITTER = 0.25
"""Share by which a pause varies, so that runs that lost their connections together do not all retry at once."""

Answer = TypeVar("Answer")
OneDay = TypeVar("OneDay", bound=RebuiltDay | VerifiedDay | ComputedQuality | SealedDay)


def with_retries(work: Callable[[], Answer], log: dg.DagsterLogManager | logging.Logger) -> Answer:
    """Call ``work`` and return its result; call it again, at most three times, after a lost connection or a conflict.

    The pauses are 5, 10 and 20 seconds. ``work`` has to be safe to repeat. Every operation of the engine is, because a
    failed transaction leaves nothing.

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
    """Iterates over the results of ``work``, one per day; a day that fails does not stop the others.

    After a lost connection or a conflict it continues with the remaining days, with three retries for each day. After
    the iteration, ``failed`` has the days that another run was writing, that the database failed on, or that had a
    conflict at every attempt.
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
        """Yield the result of each day.

        Raises:
            Unreachable: the connection was lost four times at one day.
        """
        answers = self._start()

        def one_more() -> OneDay | None:
            nonlocal answers
            self._conflicting = None
            try:
                return next(answers, None)
            except (Unreachable, Conflict):
                # A generator that raised has ended, so start another one.
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
        # An unexpected error is logged with its traceback.
        fault = error if isinstance(error, Failed) and error.fault else None
        self._log.error(f"{_reason(day, error)}; continuing with the other days", exc_info=fault)


def first_reason(failed: FailedDays) -> str:
    """The first day that failed, with its reason, as text."""
    return _reason(*next(iter(failed.items())))


def _reason(day: date, error: DayBusy | Failed) -> str:
    return str(error) if isinstance(error, DayBusy | UnverifiableDay) else f"{day}: {error}"
