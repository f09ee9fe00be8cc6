"""Rebuild days of the rollup from the facts. This is the only module that writes rows of the rollup."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
    """One day after its rebuild was committed.

    ``totals`` are those of the facts read. ``stored`` is the whole day in the rollup, other clients included.
    ``written`` rows were inserted or updated, ``deleted`` rows had no facts any more; rows that were right already are
    in neither. ``whole``: every client was recomputed, so that ``totals.unresolved_facts`` are those of the day.
    ``left``: the hold or the seal because of which no row of the day was written; None for a day that was recomputed.
    ``seconds`` includes waiting for the day's lock.
    """

    day: date
    totals: MeasuredTotals
    stored: StoredTotals
    written: int = 0
    deleted: int = 0
    whole: bool = False
    left: Hold | Seal | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class OperatorApproval:
    """What an operator allows a rebuild of whole days to do. The ledger records ``by`` as the operator who decided it.

    ``accept_deletion``: the facts that disappeared until now were meant to disappear. ``unseal``: sealed days are
    computed again and lose the numbers that their facts no longer give. A sealed day without facts needs both.
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
    """Recompute days of the rollup, oldest first, each in one transaction; yields each when it is committed.

    An interruption leaves the yielded days done and the others unchanged. Running it again, or twice at once, gives the
    same rows. Held and sealed days are left as they are, and their result says so.

    Parameters: ``days`` in the bucket time zone; ``clients`` limits the work to their rows: every other client's rows
    stay byte-identical, and the day as a whole does not count as computed; None recomputes the whole day;
    ``repaired_by`` is recorded on the discrepancies that this repairs; ``on_failed_day``: see ``for_each_day``.

    Raises:
        InvalidInput: ``clients`` is empty, or an approval is given for some clients alone.
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    require_clients(clients)
    if clients is not None and (approval.accept_deletion or approval.unseal):
        raise InvalidInput("a deletion is accepted, and a day unsealed, as a whole; leave the clients out")
    percent = database.settings.max_deleted_share
    work = partial(rebuild_locked_day, clients=clients, repaired_by=repaired_by, percent=percent, approval=approval)
    yield from rebuild_days(database, days, work, on_failed_day)


def rebuild_days(
    database: Database,
    days: Iterable[date],
    work: Callable[[Connection, date], RebuiltDay],
    on_failed_day: OnFailedDay | None,
) -> Iterator[RebuiltDay]:
    """The days as ``work`` rebuilt them, each with its seconds; raises the alert about held days at the end."""
    with alerting_held_days(database) as held:
        for _, rebuilt, seconds in for_each_day(database, days, work, on_failed_day):
            if isinstance(rebuilt.left, Hold):
                held.append(rebuilt.left)
            yield replace(rebuilt, seconds=seconds)


def rebuild_locked_day(
    connection: Connection,
    day: date,
    clients: Sequence[UUID] | None,
    repaired_by: str,
    percent: float,
    approval: OperatorApproval = NO_APPROVAL,
) -> RebuiltDay:
    """Recompute one day inside ``writing_day``.

    Rows of the rollup are written here and nowhere else, so held and sealed days are recognized here.
    """
    state = read_day_state(connection, day, clients)
    if state.seal is not None and not approval.unseal:
        return unchanged_day(connection, day, state.seal)
    if state.hold is not None and clients is not None:
        # The facts of these clients alone do not show whether the facts of the day are back.
        hold = update_hold(connection, day, state, count_facts(connection, day), percent)
        if hold is not None:
            return unchanged_day(connection, day, hold)
    client_day: dict[str, Any] = {"bucket_date": day, "clients": None if clients is None else list(clients)}
    totals = measure_day(connection, day, clients)
    count = check_second_count(connection, day, clients)
    left = _hold_or_seal(connection, day, state, totals, percent, approval)
    if left is not None:
        return unchanged_day(connection, day, left)
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
        stored = _stored_totals(connection, day)
    return RebuiltDay(day, totals, stored, written, deleted, whole=clients is None)


def unchanged_day(connection: Connection, day: date, left: Hold | Seal | None) -> RebuiltDay:
    """The result for a day of which no fact was read and no row was written."""
    return RebuiltDay(day, NOTHING_READ, _stored_totals(connection, day), left=left)


def _hold_or_seal(
    connection: Connection,
    day: date,
    state: DayState,
    totals: MeasuredTotals,
    percent: float,
    approval: OperatorApproval,
) -> Hold | Seal | None:
    """The hold or seal that forbids to write the measured groups; None: they may be written, and the operator's
    decision is recorded where one was needed."""
    measured = totals.of_known_clients
    found = FactCounts(measured.visits + state.others.visits, measured.conversions + state.others.conversions)
    if too_many_disappeared(state.most, found, percent):
        if not approval.accept_deletion:
            # A sealed day stays sealed: that state includes what a hold does.
            return state.seal or update_hold(connection, day, state, found, percent)
        accept_deletion(connection, day, state, found, approval.by)
    else:
        update_hold(connection, day, state, found, percent)
    if state.seal is not None:
        unseal(connection, state.seal, totals, approval.by)
    return None


def _stored_totals(connection: Connection, day: date) -> StoredTotals:
    """The totals of a day in the rollup, of all clients."""
    return StoredTotals(**connection.execute(query("rebuild/stored_totals"), {"bucket_date": day}).mappings().one())
