"""Which days and client-days have work to be done: stale, wrong, missing, or due to be verified."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.damaged_pages import read_around_damage
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.settings import Settings

MOST_DAYS = 10_000


@dataclass(frozen=True)
class StaleDay:
    """A day with so many stale client-days, the newest of them stale since ``stale_since``, the oldest since
    ``waiting_since`` (UTC)."""

    bucket_date: date
    stale_since: datetime
    waiting_since: datetime
    client_days: int


@dataclass(frozen=True)
class StaleClientDays:
    """So many stale client-days of one reason, on so many days, the one longest stale since ``oldest_since`` (UTC).

    ``reach`` tells whether a run can refresh them: "due", or "past" (before the start date) or "future" (after
    today), days that have no partition."""

    reach: Literal["due", "past", "future"]
    reason: str
    client_days: int
    days: int
    first_day: date
    last_day: date
    oldest_since: datetime


@dataclass(frozen=True)
class WrongClientDay:
    """One client's day with so many groups that a verification found wrong and nothing has repaired yet; ``found_at`` is
    when (UTC) the first of them was, ``repairs`` how many of the repairs asked about recomputed it before."""

    bucket_date: date
    client_id: UUID
    groups: int
    found_at: datetime
    repairs: int


def seal_before(settings: Settings) -> date | None:
    """The first day whose facts are still kept: days before it are to be sealed; None where facts are kept for ever."""
    if settings.facts_kept_days is None:
        return None
    return today(settings) - timedelta(days=settings.facts_kept_days)


def stale_days(database: Database, first: date, last: date) -> list[StaleDay]:
    """The days from first to last, both included, that have stale client-days, newest first.

    Raises:
        Refused: no connection or not migrated.
    """
    span = {"first_day": first, "last_day": last, "most": MOST_DAYS}
    with database.session() as connection:
        return [StaleDay(**row) for row in connection.execute(query("status/stale_days"), span).mappings()]


def stale_client_days(database: Database, today: date) -> list[StaleClientDays]:
    """What is stale, by reach and reason; longest stale first within those that a run can refresh, then the others.

    Parameters: ``today`` in the bucket time zone.

    Raises:
        Refused: no connection or not migrated.
    """
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        return [
            StaleClientDays(**row) for row in connection.execute(query("status/stale_client_days"), reach).mappings()
        ]


def stale_outside_partitions(database: Database, today: date) -> tuple[int, int]:
    """How many days with stale client-days lie before the start date, and how many after today.

    Raises:
        Refused: no connection or not migrated.
    """
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        row = connection.execute(query("status/stale_outside_partitions"), reach).one()
        return row.days_before, row.days_after


def missing_days(database: Database, first: date, last: date) -> list[date]:
    """The days from first to last, both included, that were never computed whole.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        return list(connection.scalars(query("status/missing_days"), {"first_day": first, "last_day": last}))


def missing_days_to_compute(database: Database, first: date, last: date, read_since: date) -> list[date]:
    """The days from first to last, both included, that no run computed although one computed an earlier day, an
    earlier day has facts, or they are ``read_since`` or later; newest first; none as long as no day was computed.

    Raises:
        Refused: no connection or not migrated.
    """
    span = {"first_day": first, "last_day": last, "read_since": read_since}

    def read() -> list[date]:
        with reading_facts(connection):
            return list(connection.scalars(query("status/missing_days_to_compute"), span))

    with database.session() as connection:
        return read_around_damage(connection, read)


def wrong_client_days(database: Database, repairers: Sequence[str] = ()) -> list[WrongClientDay]:
    """The client-days that a verification found wrong and nothing has repaired yet, newest day first.

    Parameters: ``repairers`` are the names under which the repairs to be counted were noted.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        rows = connection.execute(query("status/wrong_client_days"), {"repairers": list(repairers)}).mappings()
        return [WrongClientDay(**row) for row in rows]


def days_to_verify(database: Database, most: int) -> list[date]:
    """The covered days that are due to be verified whole, longest not verified first, at most so many.

    A day is due once when it has ended, and then whenever half of the maximum drift age has passed: a verification that
    fails leaves time for another. So is a day that is to be sealed because facts are not kept for longer.

    Raises:
        Refused: no connection or not migrated.
    """
    within = timedelta(hours=database.settings.max_drift_age / 2)
    with database.session() as connection:
        due = {"within": within, "seal_before": seal_before(database.settings), "most": most}
        return list(connection.scalars(query("verify/days_to_verify"), due))
