"""A range of days, divided into so few periods that a person can read them at a glance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

MOST_PERIODS = 40
UNITS = {"day": 1, "week": 7, "month": 28, "quarter": 90, "year": 365}
"""The units of date_trunc(), and the smallest number of days of each."""


@dataclass(frozen=True)
class Periods:
    """The periods of one unit that contain the days from ``first`` to ``last``."""

    unit: str
    first: date
    last: date

    def starts(self) -> list[date]:
        """The first day of each period, as date_trunc() returns it; the first one may be before the range."""
        found = [self._start(self.first)]
        while (following := self._next(found[-1])) <= self.last:
            found.append(following)
        return found

    def spans(self) -> Iterator[tuple[date, date]]:
        """The first and the last day of each period that are in the range."""
        for start in self.starts():
            yield max(start, self.first), min(self._next(start) - timedelta(days=1), self.last)

    def with_periods(self, frame: pd.DataFrame, day: str) -> pd.DataFrame:
        """The frame with a column ``period``: the first day of the period of column ``day``."""
        starts = pd.Series(self.starts())
        place = pd.to_datetime(starts).searchsorted(pd.to_datetime(frame[day]), side="right") - 1
        return frame.assign(period=starts.iloc[place].to_numpy())

    def sums(self, frame: pd.DataFrame, day: str, columns: Sequence[str]) -> pd.DataFrame:
        """The sums of columns by period, with 0 where the frame has no row."""
        if frame.empty:
            return pd.DataFrame(0, index=self.starts(), columns=list(columns))
        summed = self.with_periods(frame, day).groupby("period")[list(columns)].sum()
        return summed.reindex(self.starts(), fill_value=0)

    def _start(self, day: date) -> date:
        if self.unit == "week":
            return day - timedelta(days=day.weekday())
        if self.unit == "day":
            return day
        month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[self.unit]
        return day.replace(month=month, day=1)

    def _next(self, start: date) -> date:
        if self.unit in ("day", "week"):
            return start + timedelta(days=UNITS[self.unit])
        # The longest period of the unit plus three days always ends in the next one.
        longest = {"month": 31, "quarter": 92, "year": 366}[self.unit]
        return self._start(start + timedelta(days=longest + 3))


def periods_of(first: date, last: date) -> Periods:
    """Divide the days into periods of the smallest unit that gives at most MOST_PERIODS."""
    for unit in UNITS:
        periods = Periods(unit, first, last)
        if len(periods.starts()) <= MOST_PERIODS:
            return periods
    return Periods("year", first, last)
