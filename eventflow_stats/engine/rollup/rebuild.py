"""Rebuild days of the rollup from the facts (engine.md, Operations)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions.day_windows import day_window
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_holds import (
    accept_deletion,
    alerting_held_days,
    count_facts,
    too_many_disappeared,
    update_hold,
)
from eventflow_stats.engine.rollup.day_loop import for_each_day
from eventflow_stats.engine.rollup.day_seals import unseal
from eventflow_stats.engine.rollup.held_and_sealed_days import DayState, FactCounts, Hold, Seal, read_day_state
from eventflow_stats.engine.rollup.measure import NOTHING_READ, MeasuredTotals, measure_day, require_clients
from eventflow_stats.engine.rollup.second_count import check_second_count, record_second_count
from eventflow_stats.errors import InvalidInput, OnFailedDay


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
    of the day. ``seconds`` includes waiting for the day's lock. ``left``: why the day was left as it is, not one row of
    it written: it is held, or sealed; None where it was recomputed.
    """

    day: date
    totals: MeasuredTotals
    stored: StoredTotals
    written: int
    deleted: int
    whole: bool
    left: Hold | Seal | None
    seconds: float


Recomputed = tuple[MeasuredTotals, StoredTotals, int, int, bool, Hold | Seal | None]
"""Totals read, totals stored, rows written, rows deleted, whether the whole day was recomputed, why it was not."""


@dataclass(frozen=True)
class OperatorApproval:
    """What an operator allows a rebuild of whole days to do, and the name under which the ledger notes it.

    ``accept_deletion``: what disappeared from the facts, up to now, was meant to. ``unseal``: sealed days are computed
    again, which loses what their facts no longer give. A sealed day whose facts are gone needs both.
    """

    by: str = "an operator"
    accept_deletion: bool = False
    unseal: bool = False


NO_APPROVAL = OperatorApproval()


def rebuild(
    database: Database,
    days: Iterable[date],
    clients: Sequence[UUID] | None = None,
    repaired_by: str = "rebuild",
    on_failed_day: OnFailedDay | None = None,
    approval: OperatorApproval = NO_APPROVAL,
) -> Iterator[RebuiltDay]:
    """Recompute days of the rollup, oldest first, each in one transaction; yields each as it commits.

    Stop at any point and the days yielded stand, the others are as they were. Running it again, or
    twice at once, ends in the same rows. A sealed day, and one of which too many facts disappeared (guard.py), is left
    as it is and says so.

    Parameters: ``days`` in the bucket time zone; ``clients`` limits the work to their rows (every
    other client's rows stay byte-identical, and a day is not *covered* by it), None recomputes the
    whole day; ``repaired_by`` is noted on discrepancies this repairs; ``on_failed_day`` is reported of a day that another
    run writes, or that the database gave up on, which is then passed over.

    Raises:
        InvalidInput: ``clients`` names nobody, or there is a approval to lose numbers of some clients alone.
        DayBusy: another run held a day longer than the lock timeout, and there is no ``on_failed_day``.
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    require_clients(clients)
    if clients is not None and (approval.accept_deletion or approval.unseal):
        raise InvalidInput("a deletion is accepted, and a day unsealed, as a whole; leave the clients out")
    percent = database.settings.max_deleted_share
    work = partial(rebuild_locked_day, clients=clients, repaired_by=repaired_by, percent=percent, approval=approval)
    with alerting_held_days(database) as held:
        for day, outcome, seconds in for_each_day(database, days, work, on_failed_day):
            rebuilt = RebuiltDay(day, *outcome, seconds)
            held.extend([rebuilt.left] if isinstance(rebuilt.left, Hold) else [])
            yield rebuilt


def rebuild_locked_day(
    connection: Connection,
    day: date,
    clients: Sequence[UUID] | None,
    repaired_by: str,
    percent: float,
    approval: OperatorApproval = NO_APPROVAL,
) -> Recomputed:
    """Recompute one day inside ``writing_day``: the one place where rows of the rollup are written, so the one
    that leaves held and sealed days as they are."""
    state = read_day_state(connection, day, clients)
    if state.seal is not None and not approval.unseal:
        return _left(connection, day, state.seal)
    if state.hold is not None and clients is not None:
        # Whose facts are back cannot be told from these clients' alone.
        hold = update_hold(connection, day, state, count_facts(connection, day), percent)
        if hold is not None:
            return _left(connection, day, hold)
    client_day: dict[str, Any] = {"bucket_date": day, "clients": None if clients is None else list(clients)}
    totals = measure_day(connection, day, clients)
    count = check_second_count(connection, day, clients)
    left = _guarded(connection, day, state, totals, percent, approval)
    if left is not None:
        return _left(connection, day, left)
    if count is not None:
        record_second_count(connection, day, count)
    deleted = connection.execute(query("rebuild/delete_disappeared_groups"), client_day).rowcount
    written = connection.execute(query("rebuild/upsert_groups"), {"bucket_date": day}).rowcount
    connection.execute(query("rebuild/record_computed_client_days"), client_day)
    if clients is None:
        connection.execute(query("rebuild/record_rebuilt_day"), {"bucket_date": day, **day_window(connection, day)})
    connection.execute(query("rebuild/close_discrepancies"), {**client_day, "repaired_by": repaired_by})
    stored = StoredTotals(totals.groups, totals.visits, totals.conversions)
    if clients is not None:
        stored = stored_totals(connection, day)
    return totals, stored, written, deleted, clients is None, None


def _guarded(
    connection: Connection,
    day: date,
    state: DayState,
    totals: MeasuredTotals,
    percent: float,
    approval: OperatorApproval,
) -> Hold | Seal | None:
    """Why what was measured must not be written; None: it may be, and what an operator had to allow is noted."""
    measured = FactCounts(totals.facts - totals.unresolved_facts - totals.conversions, totals.conversions)
    found = FactCounts(measured.visits + state.others.visits, measured.conversions + state.others.conversions)
    if too_many_disappeared(state.most, found, percent):
        if not approval.accept_deletion:
            # A sealed day stays sealed, which says more than held.
            return state.seal or update_hold(connection, day, state, found, percent)
        accept_deletion(connection, day, state, found, approval.by)
    else:
        update_hold(connection, day, state, found, percent)
    if state.seal is not None:
        unseal(connection, state.seal, totals, approval.by)
    return None


def _left(connection: Connection, day: date, why: Hold | Seal) -> Recomputed:
    return NOTHING_READ, stored_totals(connection, day), 0, 0, False, why


def stored_totals(connection: Connection, day: date) -> StoredTotals:
    """What the rollup holds for a day, all clients."""
    return StoredTotals(**connection.execute(query("rebuild/stored_totals"), {"bucket_date": day}).mappings().one())
