"""Days whose rows stay as they are: *held*, if too many facts disappeared; *sealed*, if their facts may be gone.

This module reads both states. day_holds.py holds and releases days; day_seals.py and verification/sealing.py seal them.
Every function that opens a session raises Refused if there is no connection or the database is not migrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.formatting import format_count


@dataclass(frozen=True)
class FactCounts:
    """How many facts of known clients: visits (rows of the access log) and conversions (entries)."""

    visits: int
    conversions: int


@dataclass(frozen=True)
class Hold:
    """A day that is held since ``held_at`` (UTC). It had the facts ``before``, and has those ``left``."""

    day: date
    held_at: datetime
    before: FactCounts
    left: FactCounts

    def __str__(self) -> str:
        disappeared = [
            f"{before - left:,} of {format_count(before, noun)}"
            for before, left, noun in (
                (self.before.visits, self.left.visits, "visit row"),
                (self.before.conversions, self.left.conversions, "conversion"),
            )
            if before > left
        ]
        return " and ".join(disappeared) + " disappeared"


@dataclass(frozen=True)
class Seal:
    """A day that is sealed since ``sealed_at``, with the numbers that it had then; instants are UTC.

    ``verified_at`` is its last verification against facts. ``broken_at`` is when its rows were found to be edited;
    None: they are as they were sealed. ``late_facts`` arrived after the day was sealed and are in no number.
    """

    day: date
    sealed_at: datetime
    verified_at: datetime
    groups: int
    visits: int
    conversions: int
    broken_at: datetime | None
    late_facts: int

    def __str__(self) -> str:
        message = (
            f"sealed {self.sealed_at:%Y-%m-%d %H:%M} UTC with {format_count(self.visits, 'visit')} and "
            f"{format_count(self.conversions, 'conversion')}, last verified {self.verified_at:%Y-%m-%d %H:%M} UTC"
        )
        if self.broken_at is not None:
            message += f"; its rows were edited since, found {self.broken_at:%Y-%m-%d %H:%M} UTC"
        if self.late_facts:
            message += f"; {format_count(self.late_facts, 'fact')} arrived after that, in no number"
        return message


@dataclass(frozen=True)
class SealedSummary:
    """All sealed days: how many, the day ``before`` which they are, days whose rows were edited, and days for which
    facts arrived late."""

    days: int
    before: date | None
    edited_days: Sequence[date]
    late_days: Sequence[date]
    late_facts: int


@dataclass(frozen=True)
class DayState:
    """What the ledger records of one day.

    ``most``: the most facts that the day ever had; ``others``: the facts of the clients that were not asked for.
    ``hold`` and ``seal`` are None if the day is not held or not sealed; ``checksum`` is that of its sealed rows.
    """

    most: FactCounts
    others: FactCounts
    hold: Hold | None
    seal: Seal | None
    checksum: Any


def read_day_state(connection: Connection, day: date, clients: Sequence[UUID] | None = None) -> DayState:
    """What the ledger records of the day. Must run inside ``writing_day``."""
    asked = {"bucket_date": day, "clients": None if clients is None else list(clients)}
    row = connection.execute(query("rebuild/day_state"), asked).one()
    most = FactCounts(row.most_visits, row.most_conversions)
    hold = seal = None
    if row.held_at is not None:
        hold = Hold(day, row.held_at, most, FactCounts(row.held_visit_facts, row.held_conversion_facts))
    if row.sealed_at is not None:
        numbers = (row.sealed_groups, row.sealed_visits, row.sealed_conversions)
        seal = Seal(day, row.sealed_at, row.whole_verified_at, *numbers, row.seal_broken_at, row.late_facts)
    return DayState(most, FactCounts(row.others_visits, row.others_conversions), hold, seal, row.sealed_checksum)


def record_decision(
    connection: Connection, day: date, decision: str, by: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    """Record an operator's decision about a day, with its visits and conversions before and after."""
    numbers = {
        "visits_before": before[0],
        "conversions_before": before[1],
        "visits_after": after[0],
        "conversions_after": after[1],
    }
    decided = {"bucket_date": day, "decision": decision, "decided_by": by}
    connection.execute(query("rebuild/record_decision"), decided | numbers)


def held_days(database: Database) -> list[Hold]:
    """The days that are held, oldest first."""
    with database.session() as connection:
        return [
            Hold(
                row.day,
                row.held_at,
                FactCounts(row.visits_before, row.conversions_before),
                FactCounts(row.visits_left, row.conversions_left),
            )
            for row in connection.execute(query("status/held_days"))
        ]


def sealed_days(database: Database, first: date | None = None, last: date | None = None) -> list[Seal]:
    """The sealed days from first to last, both included (None: no limit), oldest first."""
    with database.session() as connection:
        span = {"first_day": first, "last_day": last}
        return [Seal(**row) for row in connection.execute(query("seal/sealed_days"), span).mappings()]


def sealed_summary(database: Database) -> SealedSummary:
    """The sealed days in one summary."""
    with database.session() as connection:
        return SealedSummary(**connection.execute(query("seal/sealed_summary")).mappings().one())
