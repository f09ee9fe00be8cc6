"""Write, check and remove the seal of a day. A sealed day is never recomputed or swept, so its facts may be purged.

The rows of a sealed day stay in the rollup. The ledger stores a checksum of them, taken when the day was sealed.
Verification compares the rows with this checksum instead of with facts, and finds every edit.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.assumptions.day_windows import day_window
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.held_and_sealed_days import (
    DayState,
    Seal,
    read_day_state,
    record_decision,
    sealed_summary,
)
from eventflow_stats.engine.rollup.measure import MeasuredTotals
from eventflow_stats.formatting import format_count, format_list

NO_REPAIR = (
    "facts cannot repair a sealed day: restore its rows of marketing_stats_daily from a backup; "
    "or, if its facts are still there, eventflow-stats backfill --from DAY --to DAY --unseal"
)


def set_seal(connection: Connection, day: date, by: str) -> Seal:
    """Seal a day that was verified in this transaction, and record who did it; returns its seal.

    Must run inside ``writing_day``.
    """
    stored = _checksum(connection, day)
    connection.execute(query("seal/record_seal"), {"bucket_date": day, **stored})
    seal = _seal_of(connection, day)
    numbers = (seal.visits, seal.conversions)
    record_decision(connection, day, "sealed", by, numbers, numbers)
    return seal


def unseal(connection: Connection, seal: Seal, totals: MeasuredTotals, by: str) -> None:
    """Unseal a day that is about to be rebuilt to ``totals``, and record who did it."""
    before, after = (seal.visits, seal.conversions), (totals.visits, totals.conversions)
    record_decision(connection, seal.day, "unsealed", by, before, after)
    connection.execute(query("seal/remove_seal"), {"bucket_date": seal.day})


def check_seal(connection: Connection, day: date, state: DayState) -> Seal:
    """Compare the rows of a sealed day with its checksum, and record the result; returns the updated seal.

    Must run inside ``writing_day``.
    """
    intact = _checksum(connection, day)["checksum"] == state.checksum
    connection.execute(query("seal/record_seal_check"), {"bucket_date": day, "intact": intact})
    return _seal_of(connection, day)


def count_late_facts(connection: Connection, day: date, by_snapshot: bool, overlap: timedelta) -> None:
    """Record how many facts arrived for a sealed day after it was sealed; ``by_snapshot``, ``overlap`` as in detection.

    Must run inside ``writing_day``.
    """
    window = day_window(connection, day)
    with reading_facts(connection):
        connection.execute(
            query("seal/record_late_facts"),
            {"bucket_date": day, "by_snapshot": by_snapshot, "overlap": overlap, **window},
        )


def alert_edited_days(database: Database) -> bool:
    """Raise an alert about sealed days whose rows were edited, at most once an hour while they are the same.

    Raises:
        Refused: no connection or not migrated.
    """
    edited = list(sealed_summary(database).edited_days)
    if not edited:
        return False
    text = f"Rows of sealed days were edited: {format_list([str(day) for day in edited], 5)}. {NO_REPAIR.capitalize()}"
    key = f"sealed day edited: {format_count(len(edited), 'day')} from {edited[0]} to {edited[-1]}"
    return raise_alert(database, key, text, days=[str(day) for day in edited])


def _seal_of(connection: Connection, day: date) -> Seal:
    seal = read_day_state(connection, day).seal
    if seal is None:
        raise LookupError(f"{day} is not sealed")
    return seal


def _checksum(connection: Connection, day: date) -> dict[str, Any]:
    return dict(connection.execute(query("seal/rollup_checksum"), {"bucket_date": day}).mappings().one())
