"""Recompute the dirty scopes of days, and nothing else (engine.md, Operations)."""

import time
from collections.abc import Iterable, Iterator
from datetime import date

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.measure import prepare_working_tables
from eventflow_stats.engine.rebuild import RebuiltDay, rebuild_locked_day
from eventflow_stats.engine.sql import query

WHOLE_DAY_SHARE = 0.5
"""Above this share of a day's facts its clients are no longer looked up one by one: reading all is cheaper."""


def refresh(database: Database, days: Iterable[date], repaired_by: str = "refresh") -> Iterator[RebuiltDay | None]:
    """Recompute the dirty scopes of each day, oldest first, each day in one transaction; None for a clean day.

    A day never computed as a whole, or with most of its facts in dirty scopes, is rebuilt whole.

    Raises:
        DayBusy: another run held a day longer than the lock timeout.
        Refused: no connection, not migrated or permission denied.
    """
    with database.session() as connection:
        prepare_working_tables(connection)
        for day in sorted(set(days)):
            started = time.perf_counter()
            with database.writing_day(connection, day):
                todo = connection.execute(query("dirty_scopes_of_day"), {"bucket_date": day}).one()
                if todo.covered and not todo.dirty_clients:
                    outcome = None
                else:
                    whole = not todo.covered or todo.dirty_facts > WHOLE_DAY_SHARE * todo.facts
                    clients = None if whole else list(todo.dirty_clients)
                    outcome = rebuild_locked_day(connection, day, clients, repaired_by)
            yield None if outcome is None else RebuiltDay(day, *outcome, time.perf_counter() - started)
