"""The assumptions of every computation and verification: each is named, checked in the same transaction and recorded.

Computation and verification read the facts in the same way. If facts are hidden from one, they are hidden from the
other, and both get the same wrong number. So each transaction first checks the assumptions of both. If one does not
hold, nothing is written and nothing is called verified: the client-days are *unverifiable*.

To add an assumption, add one entry here and one file in ``sql/queries/assumptions``. Its query runs as the engine's
role, reads catalogs alone, and returns a line of text for each violation; no row means that the assumption holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import psycopg
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.assumptions.day_windows import YEARS_AHEAD, day_starts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Unverifiable
from eventflow_stats.settings import Settings

MIGRATE = "run `eventflow-stats migrate`"


@dataclass(frozen=True)
class Assumption:
    """``query`` names the file that finds violations; ``meaning``: their effect on numbers; ``remedy``: what to do."""

    name: str
    query: str
    meaning: str
    remedy: str


@dataclass(frozen=True)
class BrokenAssumption:
    """An assumption that does not hold, and its violations, a line each."""

    assumption: Assumption
    found: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.assumption.name}: {'; '.join(self.found)} ({self.assumption.remedy})"


ASSUMPTIONS = (
    Assumption(
        "same table",
        "assumptions/same_table",
        "facts are read from a table that the product no longer writes, or cannot be read",
        MIGRATE,
    ),
    Assumption(
        "kind of table",
        "assumptions/kind_of_table",
        "rows of such a table may be invisible, and its changes are not counted",
        "keep the facts in ordinary or partitioned tables of this database",
    ),
    Assumption(
        "own objects",
        "assumptions/own_objects",
        "facts may be counted by other rules, or be read with the rights of another role",
        MIGRATE,
    ),
    Assumption(
        "nothing hidden",
        "assumptions/nothing_hidden",
        "a policy of row-level security, or a missing right, hides facts from the views that count them",
        "give the views' owner the tables, or BYPASSRLS and SELECT, or take the policy from it; no fact was lost",
    ),
    Assumption(
        "clock",
        "assumptions/clock",
        "the server's clock was ahead for a time, or is behind now, so facts of the time between may be missed",
        "set the clock right; the next tick then starts from the last trusted time",
    ),
    Assumption(
        "session",
        "assumptions/session",
        "the session lost the settings that every session of the engine has, so dates or texts may be misread",
        "connect without a pooler in transaction mode: sessions lose their settings there",
    ),
)
TIME_ZONE = Assumption(
    "time zone",
    "assumptions/time_zone",
    "for PostgreSQL and Python a day has different hours, so facts are counted on another day than Dagster's",
    "use a region such as Europe/Berlin, or give PostgreSQL and Python the same zone database",
)
"""Each transaction checks it for its own day (day_windows.py); here it is checked for all days."""
_NOT_LOCKED = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.WrongObjectType,
    psycopg.errors.InsufficientPrivilege,
)
ASSUMPTION_NAMES = [assumption.name for assumption in (*ASSUMPTIONS, TIME_ZONE)]


def broken_assumptions(connection: Connection) -> list[BrokenAssumption]:
    """The assumptions that do not hold in this transaction, in the order of the list."""
    if not ASSUMPTIONS:
        return []
    rows = connection.execute(_as_one_statement(tuple(assumption.query for assumption in ASSUMPTIONS)))
    found: dict[int, list[str]] = {}
    for place, violation in rows:
        found.setdefault(place, []).append(violation)
    return [BrokenAssumption(ASSUMPTIONS[place], tuple(violations)) for place, violations in found.items()]


@cache
def _as_one_statement(names: Sequence[str]) -> TextClause:
    """The queries of those names as one statement: a round trip for each would take as long as the queries."""
    # The text consists of our own files and numbers.
    parts = (
        f"SELECT {place} AS place, found FROM (\n{query(name).text}\n) AS part{place} (found)"  # noqa: S608
        for place, name in enumerate(names)
    )
    return text("\nUNION ALL\n".join(parts) + "\nORDER BY place, found")


def lock_facts(connection: Connection) -> None:
    """Lock the fact views and their tables against DDL until the transaction ends; must be its first statement.

    PostgreSQL plans with the newest catalog, not with the snapshot's: a table that was replaced after the check would
    be read unchecked. LOCK takes no snapshot, so the checks that follow see the change that it waited for.

    Raises:
        Unverifiable: a view is missing, is not a view, or may not be read, because an assumption does not hold.
    """
    try:
        with connection.begin_nested():
            connection.execute(query("assumptions/lock_fact_views"))
    except DBAPIError as error:
        if isinstance(error.orig, _NOT_LOCKED):
            broken = broken_assumptions(connection)
            if broken:
                raise unverifiable(broken) from error
        raise


def check_assumptions(connection: Connection) -> None:
    """Check every assumption in the transaction of the work that needs them, after ``lock_facts``.

    Raises:
        Unverifiable: one or more do not hold; nothing was written.
    """
    broken = broken_assumptions(connection)
    if broken:
        raise unverifiable(broken)


def unverifiable(broken: Sequence[BrokenAssumption]) -> Unverifiable:
    """The error that names the assumptions and their remedies."""
    return Unverifiable([each.assumption.name for each in broken], "; ".join(map(str, broken)))


def broken_for_any_day(connection: Connection, settings: Settings) -> list[BrokenAssumption]:
    """As ``broken_assumptions``, and also whether PostgreSQL and Python start every day at the same instant, from the
    start date to ten years ahead. That takes some 20 ms, so it is done once per detection and not for each day."""
    last = date(datetime.now(UTC).year + YEARS_AHEAD, 12, 31)
    zone = settings.bucket_timezone
    first, starts = day_starts(settings.start_date, last, zone)
    days = connection.scalars(query(TIME_ZONE.query), {"zone": zone, "first_day": first, "starts": starts})
    found = tuple(f"they read {zone!r} differently on {day}" for day in days)
    return [*broken_assumptions(connection), *([BrokenAssumption(TIME_ZONE, found)] if found else [])]


def check_and_record(connection: Connection, settings: Settings) -> None:
    """Check every assumption, and record for all readers since when one does not hold, or that all hold again.

    Needs the lock of ``lock_progress``; commits.

    Raises:
        Unverifiable: one or more do not hold, which is recorded.
    """
    broken = broken_for_any_day(connection, settings)
    error = unverifiable(broken) if broken else None
    connection.execute(query("assumptions/record_assumptions"), {"reason": str(error) if error else None})
    connection.commit()
    if error:
        raise error
