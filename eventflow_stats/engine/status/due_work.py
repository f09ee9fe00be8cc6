"""The days and client-days that need work: stale, wrong, missing, or due to be verified.

Every function that reads the database raises Refused if there is no connection or it is not migrated.
"""

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
    """A day with stale client-days: how many, when the last became stale (``stale_since``, UTC) and when the first did
    (``waiting_since``)."""

    bucket_date: date
    stale_since: datetime
    waiting_since: datetime
    client_days: int


@dataclass(frozen=True)
class StaleClientDays:
    """The stale client-days of one reason: how many, on how many days, and when the first became stale
    (``oldest_since``, UTC).

    ``reach``: "due": a run can refresh them; "past" (before the start date) and "future" (after today): they are on
    days without a partition."""

    reach: Literal["due", "past", "future"]
    reason: str
    client_days: int
    days: int
    first_day: date
    last_day: date
    oldest_since: datetime


@dataclass(frozen=True)
class WrongClientDay:
    """A client-day with ``groups`` that a verification found wrong, the first of them at ``found_at`` (UTC), and that
    are not repaired yet. ``repairs`` is how many of the repairs asked about recomputed it."""

    bucket_date: date
    client_id: UUID
    groups: int
    found_at: datetime
    repairs: int


def seal_before(settings: Settings) -> date | None:
    """The first day whose facts must not be purged yet; days before it are to be sealed. None: facts stay for ever."""
    if settings.facts_kept_days is None:
        return None
    return today(settings) - timedelta(days=settings.facts_kept_days)


def stale_days(database: Database, first: date, last: date) -> list[StaleDay]:
    """The days from first to last, both included, that have stale client-days, newest first."""
    span = {"first_day": first, "last_day": last, "most": MOST_DAYS}
    with database.session() as connection:
        return [StaleDay(**row) for row in connection.execute(query("status/stale_days"), span).mappings()]


def stale_client_days(database: Database, today: date) -> list[StaleClientDays]:
    """The stale client-days by reach and reason: those that a run can refresh first, longest stale first.

    Parameters: ``today`` in the bucket time zone."""
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        return [
            StaleClientDays(**row) for row in connection.execute(query("status/stale_client_days"), reach).mappings()
        ]


def stale_outside_partitions(database: Database, today: date) -> tuple[int, int]:
    """How many days with stale client-days are before the start date, and how many after today."""
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        row = connection.execute(query("status/stale_outside_partitions"), reach).one()
        return row.days_before, row.days_after


def missing_days(database: Database, first: date, last: date) -> list[date]:
    """The days from first to last, both included, that were never computed whole."""
    with database.session() as connection:
        return list(connection.scalars(query("status/missing_days"), {"first_day": first, "last_day": last}))


def missing_days_to_compute(database: Database, first: date, last: date, read_since: date) -> list[date]:
    """The missing days from first to last, both included, that should be computed, newest first.

    They are those after an earlier day that was computed or has facts, and those from ``read_since`` on. As long as no
    day was computed, there are none."""
    span = {"first_day": first, "last_day": last, "read_since": read_since}

    def read() -> list[date]:
        with reading_facts(connection):
            return list(connection.scalars(query("status/missing_days_to_compute"), span))

    with database.session() as connection:
        return read_around_damage(connection, read)


def wrong_client_days(database: Database, repaired_by: Sequence[str] = ()) -> list[WrongClientDay]:
    """The client-days that a verification found wrong and that are not repaired yet, newest day first.

    Parameters: ``repaired_by`` are the names under which the repairs to be counted were recorded."""
    with database.session() as connection:
        rows = connection.execute(query("status/wrong_client_days"), {"repaired_by": list(repaired_by)}).mappings()
        return [WrongClientDay(**row) for row in rows]


def days_to_verify(database: Database, most: int) -> list[date]:
    """The computed days that are due to be verified whole, longest not verified first, at most ``most``.

    A day is due when it has ended, and then every half of EVENTFLOW_MAX_DRIFT_AGE, so that a failed verification leaves
    time for another. A day is also due when it is to be sealed, because its facts may be purged."""
    within = timedelta(hours=database.settings.max_drift_age / 2)
    with database.session() as connection:
        due = {"within": within, "seal_before": seal_before(database.settings), "most": most}
        return list(connection.scalars(query("verify/days_to_verify"), due))
