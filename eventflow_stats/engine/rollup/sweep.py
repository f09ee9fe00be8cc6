"""Sweep days: find facts that were changed or deleted, by their fingerprints.

Detection finds facts that arrive. Everything else that happens to a fact (UPDATE, DELETE, a back-dated entry, a link or
campaign that changes) changes the fingerprint of its client-day.
"""

import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions.day_windows import day_window
from eventflow_stats.engine.postgres.damaged_pages import work_around_damage
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_holds import alerting_held_days, update_hold
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.held_and_sealed_days import FactCounts, Hold, read_day_state
from eventflow_stats.engine.rollup.sweep_timing import LONGEST_REST, rest_between_sweeps
from eventflow_stats.errors import DayBusy, Failed, OnFailedDay

CHANGED_FACTS = "facts changed or deleted"
LOCK_WAIT_SECONDS = 0.5
"""How long a scheduled sweep waits for the lock of a day. A later sweep takes the day."""
MOST_DAYS = 10_000
MOST_FAILURES = 3
"""A sweep ends after so many failed days in a row: the database is in trouble."""
_failed_lately: set[tuple[Hashable, date]] = set()
"""The days that failed when this process last swept them, each with its database."""


@dataclass(frozen=True)
class SweptDay:
    """One day after its sweep: how many client-days became stale because their facts changed, how many facts belong to
    no client, and the hold if too many facts disappeared."""

    day: date
    changed_client_days: int
    unresolved_facts: int
    hold: Hold | None = None


def sweep(database: Database, days: Iterable[date], lock_wait: float | None = None) -> Iterator[SweptDay]:
    """Compare the facts' fingerprints with those that the client-days were computed from, oldest day first.

    Client-days with other fingerprints become stale. A day that lost too many facts is held. Sealed days are skipped.
    Every fact of the days is read once, and no number is written.

    Parameters: ``days`` in the bucket time zone; ``lock_wait``: seconds to wait for a day that another run is writing;
    None: the lock timeout.

    Raises:
        DayBusy: another run held a day longer than that.
        Refused: no connection, not migrated or permission denied.
    """
    percent = database.settings.max_deleted_share
    with database.session() as connection, alerting_held_days(database) as held:
        for day in sorted(set(days)):
            open_day = partial(writing_day, database, connection, day, lock_wait)
            swept = work_around_damage(connection, open_day, partial(_sweep_locked_day, connection, day, percent))
            if swept.hold is not None:
                held.append(swept.hold)
            yield swept


def _sweep_locked_day(connection: Connection, day: date, percent: float) -> SweptDay:
    of_day = {"bucket_date": day}
    started = time.perf_counter()
    state = read_day_state(connection, day)
    if state.seal is not None:
        return SweptDay(day, 0, 0)
    window = day_window(connection, day)
    with reading_facts(connection):
        rows = connection.execute(query("sweep/changed_client_days"), {**of_day, **window}).all()
    changed = [row.client_id for row in rows if row.client_id is not None]
    of_day_itself = next(row for row in rows if row.client_id is None)
    if changed:
        marking = {**of_day, "clients": changed, "reason": CHANGED_FACTS}
        connection.execute(query("detect/mark_stale_client_days"), marking)
    # In the same transaction: no refresh may empty the day, and no reader may count the facts that are left, before it
    # is held.
    found = FactCounts(of_day_itself.visit_facts, of_day_itself.conversion_facts)
    hold = update_hold(connection, day, state, found, percent)
    recorded = {"unresolved_facts": of_day_itself.facts, "seconds": time.perf_counter() - started}
    connection.execute(query("sweep/record_sweep"), {**of_day, **recorded})
    return SweptDay(day, len(changed), of_day_itself.facts, hold)


def sweep_due_days(
    database: Database,
    first: date,
    last: date,
    at_once: bool,
    seconds: float,
    on_failed_day: OnFailedDay | None = None,
    named: Sequence[date] = (),
) -> list[SweptDay]:
    """Sweep the due days from first to last, both included, until none is left or the time is up; at least one.

    These days are due:

    - the days ``named``, and held days: always;
    - with ``at_once``: a computed day that was last checked before a row of the product changed, or an hour ago or
      more;
    - without ``at_once``: a computed day that was last checked before a row of the product changed, and whose pause is
      over. The pause since that check is 60 times the time that sweeping all of them takes, an hour at most.

    The days that were not checked for longest come first. So many short calls reach all days in turn. A day that is
    being written is left to the next call.
    ``on_failed_day`` is called for a day that failed. The next call of this process takes that day last, so that it
    does not keep the others from being swept.

    Raises:
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    span = {"first_day": first, "last_day": last}
    with database.session() as connection:
        rest = LONGEST_REST
        if not at_once:
            rest = rest_between_sweeps(connection.scalar(query("detect/sweep_seconds"), span))
        asked = {**span, "at_once": at_once, "rest": rest, "named": list(named), "most": MOST_DAYS}
        due = connection.scalars(query("sweep/days_to_sweep"), asked).all()
    swept: list[SweptDay] = []
    failures = 0
    deadline = time.monotonic() + seconds
    for day in sorted(due, key=lambda day: (database.url, day) in _failed_lately):
        try:
            swept += sweep(database, [day], LOCK_WAIT_SECONDS)
            _failed_lately.discard((database.url, day))
            failures = 0
        except DayBusy:
            continue
        except Failed as error:
            if on_failed_day is None:
                raise
            on_failed_day(day, error)
            _failed_lately.add((database.url, day))
            failures += 1
        if failures == MOST_FAILURES or (swept and time.monotonic() > deadline):
            break
    return swept
