"""How upkeep stands: what is dirty, disproved or due, how fresh the rollup is, how old its oldest proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from eventflow_stats.engine.damage import read_around_damage
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.facts import reading_facts
from eventflow_stats.engine.sql import query
from eventflow_stats.engine.sweep_pace import found_within
from eventflow_stats.settings import Settings

MOST_DAYS = 10_000
FRESH = timedelta(minutes=10)
TOO_OLD = timedelta(minutes=30)
"""How old the newest state that the rollup is known to show may be: a warning from the first on, an alarm from the
second. The asset check, the command line and the read API judge by the same."""


@dataclass(frozen=True)
class DirtyDay:
    """A day with so many dirty scopes, the newest of them dirty since ``dirty_since``, the oldest since
    ``waiting_since`` (UTC)."""

    bucket_date: date
    dirty_since: datetime
    waiting_since: datetime
    scopes: int


@dataclass(frozen=True)
class DirtyScopes:
    """So many dirty scopes of one reason, on so many days, the one longest dirty since ``oldest_since`` (UTC).

    ``reach`` tells whether a run can refresh them: "due", or "past" (before the start date) or "future" (after
    today), days that have no partition."""

    reach: Literal["due", "past", "future"]
    reason: str
    scopes: int
    days: int
    first_day: date
    last_day: date
    oldest_since: datetime


@dataclass(frozen=True)
class DisprovedScope:
    """One client's day with so many groups that a proof found wrong and nothing has repaired yet; ``found_at`` is
    when (UTC) the first of them was, ``repairs`` how many of the repairs asked about recomputed it before."""

    bucket_date: date
    client_id: UUID
    groups: int
    found_at: datetime
    repairs: int


@dataclass(frozen=True)
class Upkeep:
    """How upkeep stands at ``at``; instants are UTC, None where there is none.

    ``fresh_through``: every fact committed before (and not later than the detection overlap) is in the rollup; what a
    later update or deletion did to facts is the drift's to tell.
    ``drift_since``: the oldest time at which a covered day, ``drift_day``, was last compared whole with its facts
    (or first computed): drift older than that cannot be undetected. ``ticked_at``: when the last tick of the
    5-minute schedule was due.
    ``changed_since``: since when rows of the product changed, by its row counters, that not every day was swept after;
    None: none did. ``changed_rows``: how many, None: an unknown number. ``changes_found_by``: when the sweeps will have
    looked at every day, at the latest.
    """

    at: datetime
    detected_at: datetime | None
    ticked_at: datetime | None
    tick_outcome: str | None
    fresh_through: datetime | None
    dirty_scopes: int
    drift_since: datetime | None
    drift_day: date | None
    covered_days: int
    visits_of_no_day: int | None = None
    entries_of_no_day: int | None = None
    changed_since: datetime | None = None
    changed_rows: int | None = None
    changes_found_by: datetime | None = None

    @property
    def facts_of_no_day(self) -> int:
        """Visits and entries without a time, or of one that no calendar has: in no number. Never counted: 0."""
        return (self.visits_of_no_day or 0) + (self.entries_of_no_day or 0)

    @property
    def changes_overdue(self) -> bool:
        """Whether rows changed that the sweeps should have found by now."""
        return self.changes_found_by is not None and self.at >= self.changes_found_by

    @property
    def age(self) -> timedelta | None:
        """How old the newest state is that the rollup is known to show; None: facts were never looked for."""
        return None if self.fresh_through is None else self.at - self.fresh_through

    @property
    def drift_age(self) -> timedelta | None:
        """For how long drift may have gone undetected; None without a covered day."""
        return None if self.drift_since is None else self.at - self.drift_since


def today(settings: Settings) -> date:
    """The bucket day it is now."""
    return datetime.now(ZoneInfo(settings.bucket_timezone)).date()


def seal_before(settings: Settings) -> date | None:
    """The first day whose facts are still kept: days before it are to be sealed; None where facts are kept for ever."""
    if settings.facts_kept_days is None:
        return None
    return today(settings) - timedelta(days=settings.facts_kept_days)


def upkeep(database: Database, today: date) -> Upkeep:
    """How upkeep stands. Days after ``today`` (in the bucket time zone) and before the start date have no partition:
    what is dirty there makes nothing old.

    Raises:
        Refused: no connection or not migrated.
    """
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        row = dict(connection.execute(query("upkeep"), reach).mappings().one())
    found_by, within = row.pop("found_by"), found_within(row.pop("sweep_seconds"), database.settings)
    if row["changed_since"] is None:
        return Upkeep(**row | {"changed_rows": None})
    # What the counters say beyond the last look at them will be seen by the next one: what is said now must hold then.
    next_look = row["at"] + timedelta(seconds=database.settings.sensor_seconds)
    return Upkeep(**row, changes_found_by=found_by or next_look + within)


def dirty_days(database: Database, first: date, last: date) -> list[DirtyDay]:
    """The days from first to last, both included, that have dirty scopes, newest first.

    Raises:
        Refused: no connection or not migrated.
    """
    span = {"first_day": first, "last_day": last, "most": MOST_DAYS}
    with database.session() as connection:
        return [DirtyDay(**row) for row in connection.execute(query("dirty_days"), span).mappings()]


def dirty_scopes(database: Database, today: date) -> list[DirtyScopes]:
    """What is dirty, by reach and reason; longest dirty first within those that a run can refresh, then the others.

    Parameters: ``today`` in the bucket time zone.

    Raises:
        Refused: no connection or not migrated.
    """
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        return [DirtyScopes(**row) for row in connection.execute(query("dirty_scopes"), reach).mappings()]


def dirty_outside_partitions(database: Database, today: date) -> tuple[int, int]:
    """How many days with dirty scopes lie before the start date, and how many after today.

    Raises:
        Refused: no connection or not migrated.
    """
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        row = connection.execute(query("dirty_outside_partitions"), reach).one()
        return row.days_before, row.days_after


def uncovered_days(database: Database, first: date, last: date) -> list[date]:
    """The days from first to last, both included, that were never computed whole.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        return list(connection.scalars(query("uncovered_days"), {"first_day": first, "last_day": last}))


def missed_days(database: Database, first: date, last: date, read_since: date) -> list[date]:
    """The days from first to last, both included, that no run computed although one computed an earlier day, an
    earlier day has facts, or they are ``read_since`` or later; newest first; none as long as no day was computed.

    Raises:
        Refused: no connection or not migrated.
    """
    span = {"first_day": first, "last_day": last, "read_since": read_since}

    def read() -> list[date]:
        with reading_facts(connection):
            return list(connection.scalars(query("missed_days"), span))

    with database.session() as connection:
        return read_around_damage(connection, read)


def disproved_scopes(database: Database, repairers: Sequence[str] = ()) -> list[DisprovedScope]:
    """The scopes that a proof found wrong and nothing has repaired yet, newest day first.

    Parameters: ``repairers`` are the names under which the repairs to be counted were noted.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        rows = connection.execute(query("disproved_scopes"), {"repairers": list(repairers)}).mappings()
        return [DisprovedScope(**row) for row in rows]


def days_to_prove(database: Database, most: int) -> list[date]:
    """The covered days that are due to be proved whole, longest unproved first, at most so many.

    A day is due once when it has ended, and then whenever half of the maximum drift age has passed: a proof that
    fails leaves time for another. So is a day that is to be sealed because facts are not kept for longer.

    Raises:
        Refused: no connection or not migrated.
    """
    within = timedelta(hours=database.settings.max_drift_age / 2)
    with database.session() as connection:
        due = {"within": within, "seal_before": seal_before(database.settings), "most": most}
        return list(connection.scalars(query("days_to_prove"), due))


def record_tick(database: Database, ticked_at: datetime, outcome: str) -> None:
    """Write down what the last tick of the 5-minute schedule came to; ``ticked_at`` is when it was due.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        connection.execute(query("lock_upkeep"))
        connection.commit()
        connection.execute(query("record_tick"), {"ticked_at": ticked_at, "outcome": outcome})
        connection.commit()
