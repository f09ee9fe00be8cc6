"""Hold a day that lost too many facts, instead of emptying it.

A table that was truncated, a purge with a wrong date or a failed restore look like facts that were deleted on purpose.
Sweep, rebuild and verification hold such a day: its rows stay as they are, readers get them, and nothing of the day is
written, for any client, until an operator accepts the deletion or the facts are back. Facts are counted, not the
rollup's numbers: a falsified number is no lost fact.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from sqlalchemy import Connection

from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.assumptions.day_windows import day_window
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.held_and_sealed_days import (
    DayState,
    FactCounts,
    Hold,
    held_days,
    read_day_state,
    record_decision,
)
from eventflow_stats.formatting import format_count, format_list

LEAST_VISITS = 1_000
LEAST_CONVERSIONS = 100
"""A day that lost fewer is never held: the facts of a test client come and go."""
HOW_TO_GO_ON = (
    "restore the facts, and the hold ends by itself; or accept the deletion: "
    "eventflow-stats accept-deletion --day DAY --execute"
)


def too_many_disappeared(had: FactCounts, found: FactCounts, percent: float) -> bool:
    """Whether a day that ``had`` these facts lost more than ``percent`` of its visits, or of its conversions."""
    lost = (
        (had.visits - found.visits, had.visits, LEAST_VISITS),
        (had.conversions - found.conversions, had.conversions, LEAST_CONVERSIONS),
    )
    return any(gone >= least and gone * 100 > percent * before for gone, before, least in lost)


def update_hold(connection: Connection, day: date, state: DayState, found: FactCounts, percent: float) -> Hold | None:
    """Hold the day if too many of its facts disappeared, else end its hold; returns the hold.

    ``found`` are the facts of known clients that the day has now. Must run inside ``writing_day``.
    """
    held = too_many_disappeared(state.most, found, percent)
    most = FactCounts(max(state.most.visits, found.visits), max(state.most.conversions, found.conversions))
    _record(connection, day, most, found, held)
    return read_day_state(connection, day).hold if held else None


def accept_deletion(connection: Connection, day: date, state: DayState, found: FactCounts, by: str) -> None:
    """Accept that facts of the day disappeared, and record who did. Later losses are measured from ``found``."""
    had, has = (state.most.visits, state.most.conversions), (found.visits, found.conversions)
    record_decision(connection, day, "deletion accepted", by, had, has)
    _record(connection, day, found, found, held=False)


def _record(connection: Connection, day: date, most: FactCounts, found: FactCounts, held: bool) -> None:
    connection.execute(
        query("rebuild/record_hold"),
        {
            "bucket_date": day,
            "most_visits": most.visits,
            "most_conversions": most.conversions,
            "held": held,
            "visits": found.visits,
            "conversions": found.conversions,
        },
    )


def count_facts(connection: Connection, day: date) -> FactCounts:
    """The facts of known clients that the day has now. Must run inside ``writing_day``."""
    window = day_window(connection, day)
    with reading_facts(connection):
        return FactCounts(**connection.execute(query("rebuild/count_facts_of_day"), window).mappings().one())


@contextmanager
def alerting_held_days(database: Database) -> Iterator[list[Hold]]:
    """A list for the holds found by some work on days; raises one alert at the end if the list is not empty."""
    held: list[Hold] = []
    try:
        yield held
    finally:
        if held:
            alert_held_days(database)


def alert_held_days(database: Database) -> bool:
    """Raise an alert about all held days, at most once an hour while they are the same; returns whether it was sent.

    Raises:
        Refused: no connection or not migrated.
    """
    held = held_days(database)
    if not held:
        return False
    first = held[0]
    message = f"{first.day}: {first}"
    if len(held) > 1:
        message = f"{format_count(len(held), 'day')}, {format_list([str(hold.day) for hold in held], 5)}; {message}"
    key = f"held: {format_count(len(held), 'day')} from {first.day} to {held[-1].day}"
    text = f"Held, nothing was changed: {message}. {HOW_TO_GO_ON[0].upper()}{HOW_TO_GO_ON[1:]}"
    return raise_alert(database, key, text, days=[str(hold.day) for hold in held])
