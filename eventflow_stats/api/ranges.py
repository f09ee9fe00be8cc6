"""Days asked for: ``from`` and ``to``, both included, in the bucket time zone."""

import re
from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema


def _day(value: object) -> date:
    # fromisoformat alone would take 20240131 and 2024-W05 too.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
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
