"""Rebuild days of the rollup from the facts (engine.md, Operations)."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.measure import Totals, measure_day, prepare_working_tables, require_somebody
from eventflow_stats.engine.sql import query


@dataclass(frozen=True)
class StoredTotals:
    """A day of the rollup: its groups, their visits and conversions summed."""

    groups: int
    visits: int
    conversions: int


@dataclass(frozen=True)
class RebuiltDay:
    """One day, recomputed and committed.

    ``totals`` are of the facts read; ``stored`` is the whole day as the rollup now holds it, other clients
    included. ``written`` rows were inserted or updated, ``deleted`` rows had no facts any more; rows that were
    right already are in neither. ``seconds`` includes waiting for the day's lock.
    """

    day: date
    totals: Totals
    stored: StoredTotals
    written: int
    deleted: int
    seconds: float


def rebuild(
    database: Database,
    days: Iterable[date],
    clients: Sequence[UUID] | None = None,
    repaired_by: str = "rebuild",
) -> Iterator[RebuiltDay]:
    """Recompute days of the rollup, oldest first, each in one transaction; yields each as it commits.

    Stop at any point and the days yielded stand, the others are as they were. Running it again, or
    twice at once, ends in the same rows.

    Parameters: ``days`` in the bucket time zone; ``clients`` limits the work to their rows (every
    other client's rows stay byte-identical, and a day is not *covered* by it), None recomputes the
    whole day; ``repaired_by`` is noted on discrepancies this repairs.

    Raises:
        InvalidInput: ``clients`` names nobody.
        DayBusy: another run held a day longer than the lock timeout.
        Refused: no connection, not migrated or permission denied.
    """
    require_somebody(clients)
    with database.session() as connection:
        prepare_working_tables(connection)
        for day in sorted(set(days)):
            started = time.perf_counter()
            with database.writing_day(connection, day):
                outcome = rebuild_locked_day(connection, day, clients, repaired_by)
            yield RebuiltDay(day, *outcome, time.perf_counter() - started)


def rebuild_locked_day(
    connection: Connection, day: date, clients: Sequence[UUID] | None, repaired_by: str
) -> tuple[Totals, StoredTotals, int, int]:
    """Recompute one day inside ``Database.writing_day``: totals read, totals stored, rows written, rows deleted."""
    scope: dict[str, Any] = {"bucket_date": day, "clients": None if clients is None else list(clients)}
    totals = measure_day(connection, day, clients)
    deleted = connection.execute(query("delete_vanished_groups"), scope).rowcount
    written = connection.execute(query("upsert_groups"), {"bucket_date": day}).rowcount
    connection.execute(query("record_computed_scopes"), scope)
    if clients is None:
        connection.execute(query("record_covered_day"), {"bucket_date": day})
    connection.execute(query("close_discrepancies"), {**scope, "repaired_by": repaired_by})
    stored = StoredTotals(totals.groups, totals.visits, totals.conversions)
    if clients is not None:
        stored = StoredTotals(**connection.execute(query("stored_totals"), {"bucket_date": day}).mappings().one())
    return totals, stored, written, deleted
