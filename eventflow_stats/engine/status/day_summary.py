"""The state of all days in numbers: how many were computed, verified, wrong, stale, held or sealed.

Every function raises Refused if there is no connection or the database is not migrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query


@dataclass(frozen=True)
class DaySummary:
    """How many days are in which state; instants are UTC, days in the bucket time zone, None where there is none.

    A day is computed when all its clients were computed. ``unverified_days`` were computed and not verified as a whole
    since, or have a client-day that was not. ``held_days`` are in none of these. ``sealed_days`` are also verified, or
    wrong if their rows were edited. ``unverifiable_days`` are those of which the views lose or double facts; the reason
    is that of the newest. ``unresolved_facts`` belong to no client, over all days.
    """

    computed_days: int
    first_computed_day: date | None
    last_computed_day: date | None
    computed_through: datetime | None
    verified_days: int
    wrong_days: int
    stale_days: int
    unverified_days: int
    held_days: int
    sealed_days: int
    unverifiable_days: int
    unverifiable_reason: str | None
    unresolved_facts: int


def read_day_summary(database: Database) -> DaySummary:
    """The state of the days from the start date on."""
    reach = {"first_day": database.settings.start_date}
    with database.session() as connection:
        return DaySummary(**connection.execute(query("status/day_summary"), reach).mappings().one())


def fact_days(database: Database, clients: Sequence[UUID] | None = None) -> tuple[date, date] | None:
    """The first and last day that has facts (of the given clients); None without facts."""
    with database.session() as connection, reading_facts(connection):
        row = connection.execute(query("status/fact_days"), {"clients": _listed(clients)}).one()
    return None if row.first_day is None else (row.first_day, row.last_day)


def days_to_backfill(database: Database, first: date, last: date, clients: Sequence[UUID] | None = None) -> list[date]:
    """The days from first to last, both included, not computed, not verified since or stale (for the given clients)."""
    with database.session() as connection:
        asked = {"first_day": first, "last_day": last, "clients": _listed(clients)}
        return list(connection.scalars(query("status/days_to_backfill"), asked))


def open_discrepancies(database: Database) -> dict[date, int]:
    """The days with groups that a verification found wrong and that are not repaired yet, with their number."""
    with database.session() as connection:
        return {row.bucket_date: row.groups for row in connection.execute(query("status/wrong_days"))}


def first_known_day(database: Database) -> date | None:
    """The first day of the ledger or the rollup; None if both are empty."""
    with database.session() as connection:
        found: date | None = connection.scalar(query("status/first_known_day"))
        return found


def known_wrong_groups(database: Database, first: date, last: date, clients: Sequence[UUID] | None = None) -> int:
    """How many groups of the days from first to last (of the given clients) are known to be wrong and not repaired."""
    asked = {"first_day": first, "last_day": last, "clients": _listed(clients)}
    with database.session() as connection:
        return int(connection.scalar(query("status/count_wrong_groups"), asked) or 0)


def count_computed_days(
    database: Database, first: date, last: date, clients: Sequence[UUID] | None, since: datetime
) -> int:
    """How many of the days were computed (for the given clients) at or after ``since``."""
    asked = {"first_day": first, "last_day": last, "since": since, "clients": _listed(clients)}
    with database.session() as connection:
        return int(connection.scalar(query("status/count_computed_days"), asked) or 0)


def _listed(clients: Sequence[UUID] | None) -> list[UUID] | None:
    return None if clients is None else list(clients)
