"""Rebuild days of the rollup from the facts (engine.md, Operations)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.day_windows import day_window
from eventflow_stats.engine.each_day import each_day
from eventflow_stats.engine.measure import Totals, measure_day, require_somebody
from eventflow_stats.engine.sql import query
from eventflow_stats.errors import OnFailedDay


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
    right already are in neither. ``whole``: every client was recomputed, and ``unresolved_facts`` of the totals speak
    of the day. ``seconds`` includes waiting for the day's lock.
    """

    day: date
    totals: Totals
    stored: StoredTotals
    written: int
    deleted: int
    whole: bool
    seconds: float


Recomputed = tuple[Totals, StoredTotals, int, int, bool]
"""Totals read, totals stored, rows written, rows deleted, whether the whole day was recomputed."""


def rebuild(
    database: Database,
    days: Iterable[date],
    clients: Sequence[UUID] | None = None,
    repaired_by: str = "rebuild",
    on_failed_day: OnFailedDay | None = None,
) -> Iterator[RebuiltDay]:
    """Recompute days of the rollup, oldest first, each in one transaction; yields each as it commits.

    Stop at any point and the days yielded stand, the others are as they were. Running it again, or
    twice at once, ends in the same rows.

    Parameters: ``days`` in the bucket time zone; ``clients`` limits the work to their rows (every
    other client's rows stay byte-identical, and a day is not *covered* by it), None recomputes the
    whole day; ``repaired_by`` is noted on discrepancies this repairs; ``on_failed_day`` is told of a day that another
    run writes, or that the database gave up on, which is then passed over.

    Raises:
        InvalidInput: ``clients`` names nobody.
        DayBusy: another run held a day longer than the lock timeout, and there is no ``on_failed_day``.
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    require_somebody(clients)
    work = partial(rebuild_locked_day, clients=clients, repaired_by=repaired_by)
    for day, outcome, seconds in each_day(database, days, work, on_failed_day):
        yield RebuiltDay(day, *outcome, seconds)


def rebuild_locked_day(
    connection: Connection, day: date, clients: Sequence[UUID] | None, repaired_by: str
) -> Recomputed:
    """Recompute one day inside ``Database.writing_day``."""
    scope: dict[str, Any] = {"bucket_date": day, "clients": None if clients is None else list(clients)}
    totals = measure_day(connection, day, clients)
    deleted = connection.execute(query("delete_vanished_groups"), scope).rowcount
    written = connection.execute(query("upsert_groups"), {"bucket_date": day}).rowcount
    connection.execute(query("record_computed_scopes"), scope)
    if clients is None:
        connection.execute(query("record_covered_day"), {"bucket_date": day, **day_window(connection, day)})
    connection.execute(query("close_discrepancies"), {**scope, "repaired_by": repaired_by})
    stored = StoredTotals(totals.groups, totals.visits, totals.conversions)
    if clients is not None:
        stored = stored_totals(connection, day)
    return totals, stored, written, deleted, clients is None


def stored_totals(connection: Connection, day: date) -> StoredTotals:
    """What the rollup holds for a day, all clients."""
    return StoredTotals(**connection.execute(query("stored_totals"), {"bucket_date": day}).mappings().one())
