"""A range of days cut into few enough periods to be read at a glance."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MOST_PERIODS = 40
UNITS = {"day": 1, "week": 7, "month": 28, "quarter": 90, "year": 365}
"""What date_trunc() knows, and how many days one has at the least."""


@dataclass(frozen=True)
class Periods:
    """The periods of one unit that the days from ``first`` to ``last`` lie in."""

    unit: str
    first: date
    last: date

    def starts(self) -> list[date]:
        """The first day of each, as date_trunc() gives it; the first may begin before the range."""
        found = [self._start(self.first)]
        while (following := self._next(found[-1])) <= self.last:
            found.append(following)
        return found

    def spans(self) -> Iterator[tuple[date, date]]:
        """First and last day of each that are in the range."""
        for start in self.starts():
            yield max(start, self.first), min(self._next(start) - timedelta(days=1), self.last)

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
        # The longest of a unit and a few days more end in the next one.
        longest = {"month": 31, "quarter": 92, "year": 366}[self.unit]
        return self._start(start + timedelta(days=longest + 3))


def periods_of(first: date, last: date) -> Periods:
    """The smallest unit that leaves no more periods than can be read."""
    for unit in UNITS:
        periods = Periods(unit, first, last)
        if len(periods.starts()) <= MOST_PERIODS:
            return periods
    return Periods("year", first, last)
