"""Find the days whose facts were changed or deleted, by their fingerprints (engine.md, Operations).

Detection sees what is ingested. Whatever else happens to a fact (UPDATE, DELETE, a back-dated entry, a link
or campaign that changes) shows in the fingerprint of its client_day.
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

CHANGED_FACTS = "facts changed or gone"
LOCK_WAIT_SECONDS = 0.5
"""How long a sweep that nobody waits for waits for a day; the next one looks again."""
MOST_DAYS = 10_000
MOST_FAILURES = 3
"""A database that gave up on so many days, one after the other, is not asked for more of them in one sweep."""
_failed_lately: set[tuple[Hashable, date]] = set()
"""Of which database which days failed when this process last swept them."""


@dataclass(frozen=True)
class SweptDay:
    """One day, swept: how many of its client-days are now stale because their facts changed, how many of its facts belong
    to no client, and the hold of a day that is held because too many facts disappeared."""

    day: date
    changed_client_days: int
    unresolved_facts: int
    hold: Hold | None = None


def sweep(database: Database, days: Iterable[date], lock_wait: float | None = None) -> Iterator[SweptDay]:
    """Compare the facts' fingerprints with those the client-days were computed from, oldest day first; mark what differs,
    and hold a day of which too many facts disappeared. A sealed day is passed over.

    Reads every fact of the days once, writes no number. Parameters: ``days`` in the bucket time zone; ``lock_wait``
    in seconds for a day that another run is writing (default: the lock timeout).

    Raises:
        DayBusy: another run held a day longer than that.
        Refused: no connection, not migrated or permission denied.
    """
    percent = database.settings.max_deleted_share
    with database.session() as connection, alerting_held_days(database) as held:
        for day in sorted(set(days)):
            turn = partial(writing_day, database, connection, day, lock_wait)
            swept = work_around_damage(connection, turn, partial(_sweep_locked_day, connection, day, percent))
            held.extend([swept.hold] if swept.hold is not None else [])
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
    moved = [row.client_id for row in rows if row.client_id is not None]
    of_nobody = next(row for row in rows if row.client_id is None)
    if moved:
        connection.execute(
            query("detect/mark_stale_client_days"), {**of_day, "clients": moved, "reason": CHANGED_FACTS}
        )
    # Before anybody refreshes the day, or answers for it from the facts that are left.
    hold = update_hold(connection, day, state, FactCounts(of_nobody.visit_facts, of_nobody.conversion_facts), percent)
    took = time.perf_counter() - started
    connection.execute(query("sweep/record_sweep"), {**of_day, "unresolved_facts": of_nobody.facts, "seconds": took})
    return SweptDay(day, len(moved), of_nobody.facts, hold)


def sweep_due_days(
    database: Database,
    first: date,
    last: date,
    at_once: bool,
    seconds: float,
    on_failed_day: OnFailedDay | None = None,
    named: Sequence[date] = (),
) -> list[SweptDay]:
    """Sweep the covered days from first to last, both included, that are due, until none is left or the time is up; at
    least one, if one is due.

    Due are the days ``named``, and days when rows of the product changed since they were last looked at: ``at_once``,
    and then also when an hour passed without a change; otherwise after a rest in proportion to what sweeping all of
    them takes, an hour at the most. Those longest unlooked-at come first, so that a short time reaches all of them in
    turn. A day being written is left to the next call; ``on_failed_day`` is reported of one that failed, which is
    then passed over, and comes last in the next call of this process: it takes no other's place.

    Raises:
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    span = {"first_day": first, "last_day": last}
    with database.session() as connection:
        rest = LONGEST_REST if at_once else rest_between_sweeps(connection.scalar(query("detect/sweep_seconds"), span))
        asked = {**span, "at_once": at_once, "rest": rest, "named": list(named), "most": MOST_DAYS}
        due = connection.scalars(query("sweep/days_to_sweep"), asked).all()
    swept: list[SweptDay] = []
    failures = 0
    gives_up = time.monotonic() + seconds
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
        if failures == MOST_FAILURES or (swept and time.monotonic() > gives_up):
            break
    return swept
