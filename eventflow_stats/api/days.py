"""The days that a request names: ``from`` and ``to``, both included, in the bucket time zone."""

import re
from datetime import date, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema

from eventflow_stats.api.errors import InvalidRequest
from eventflow_stats.engine.status.answer_counts import DAYS_BY_DEFAULT

EARLIEST = date(1, 2, 1)
"""The thirty days before it exist in the calendar."""
MOST_DAYS = 400


def _day(value: object) -> date:
    # fromisoformat alone would accept 20240131 and 2024-W05 too.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            pass
        else:
            if day < EARLIEST:
                raise ValueError(f"{day} is too early; {EARLIEST} is the first day that can be asked for")
            return day
    raise ValueError(f"{str(value)[:40]!r} is no day of the calendar written YYYY-MM-DD")


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
FromDay = Annotated[
    Day | None,
    Query(alias="from", description="First day, YYYY-MM-DD in the bucket time zone. Default: 30 days up to `to`."),
]
ToDay = Annotated[
    Day | None,
    Query(alias="to", description="Last day, included. Default: today. At most 400 days from `from`."),
]


def range_problem(first: date | None, last: date | None, today: date) -> str | None:
    """Return why the range cannot be answered, or None. Only a caller who may read the client gets the reason."""
    last = last or today
    first = first or last - timedelta(days=DAYS_BY_DEFAULT - 1)
    if first > last:
        return "from must not be after to"
    if (last - first).days >= MOST_DAYS:
        return f"the range must not be longer than {MOST_DAYS} days"
    return None


def check_first_day(first: date | None, last: date | None, today: date) -> None:
    """Raise InvalidRequest for a first day after today without a last day, whose default is today."""
    if last is None and first is not None and first > today:
        raise InvalidRequest(f"from: {first} is after today, {today}; give `to` as well for days still to come")
