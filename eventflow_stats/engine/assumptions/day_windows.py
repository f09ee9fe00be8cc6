"""The start and end of a bucket day: read from PostgreSQL and compared with Python.

Both must read a zone in the same way: PostgreSQL decides to which day a fact belongs, Python and Dagster decide which
days exist. (PostgreSQL reads CET, EET, MET and WET as fixed offsets, Python as zones with summer time.)
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Unverifiable
from eventflow_stats.settings import Settings

YEARS_AHEAD = 10
OLDEST_COMPARED = date(1900, 1, 1)
"""Before it, local times had offsets of odd seconds."""
_WIDEST = timedelta(hours=26)
_STEP = timedelta(minutes=15)


def day_window(connection: Connection, day: date) -> dict[str, datetime]:
    """The half-open window of a day, ``window_start`` and ``window_end`` (UTC).

    Raises:
        Unverifiable: PostgreSQL and Python do not have the same window for this day.
    """
    row = connection.execute(query("rebuild/day_window"), {"bucket_date": day}).one()
    starts, ends, zone = row.window_start, row.window_end, row.bucket_timezone
    if day >= OLDEST_COMPARED and (starts, ends) != (day_start(day, zone), day_start(day + timedelta(days=1), zone)):
        raise Unverifiable(["time zone"], f"time zone: {time_zone_message(day, zone)}")
    return {"window_start": starts, "window_end": ends}


def day_starts(first: date, last: date, zone: str) -> tuple[date, list[int]]:
    """The first day that can be compared, and from it to ``last`` the start of each day in seconds since 1970."""
    first = max(first, OLDEST_COMPARED)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return first, [int(day_start(day, zone).timestamp()) for day in days]


@lru_cache(maxsize=65_536)
def day_start(day: date, zone: str) -> datetime:
    """The first instant (UTC) whose local date is the day or later, as Python reads the zone.

    Midnight would be wrong: a clock that is set back at midnight shows it twice, one that is set forward not at all,
    and a day that a zone skipped has no instant (it starts when the next day starts).
    """
    rules = ZoneInfo(zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=rules).astimezone(UTC)
    if midnight.astimezone(rules).date() == day and (midnight - _STEP).astimezone(rules).date() < day:
        return midnight
    instant = midnight - _WIDEST
    while instant.astimezone(rules).date() < day:
        instant += _STEP
    return instant


def time_zone_message(day: date, zone: str) -> str:
    """The message where PostgreSQL and Python read the zone differently."""
    return (
        f"PostgreSQL and Python read {zone!r} differently on {day}; use a region such as Europe/Berlin, "
        "or give both the same zone database"
    )


def today(settings: Settings) -> date:
    """Today in the bucket time zone."""
    return datetime.now(ZoneInfo(settings.bucket_timezone)).date()
