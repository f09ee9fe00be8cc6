"""Recompute the client-days of days that are stale or were found wrong, and nothing else (engine.md, Operations)."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial
from typing import Literal

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_holds import alerting_held_days
from eventflow_stats.engine.rollup.day_loop import for_each_day
from eventflow_stats.engine.rollup.held_and_sealed_days import Hold, read_day_state
from eventflow_stats.engine.rollup.measure import NOTHING_READ
from eventflow_stats.engine.rollup.rebuild import RebuiltDay, Recomputed, rebuild_locked_day, stored_totals
from eventflow_stats.errors import OnFailedDay

Which = Literal["stale", "wrong"]
WHOLE_DAY_SHARE = 0.5
"""Above this share of a day's facts its clients are no longer looked up one by one: reading all is cheaper."""


def refresh(
    database: Database,
    days: Iterable[date],
    repaired_by: str = "refresh",
    which: Which = "stale",
    on_failed_day: OnFailedDay | None = None,
) -> Iterator[RebuiltDay]:
    """Recompute client-days of each day, oldest first, each day in one transaction; yields each as it commits.

    Those are the stale client-days, or those with groups that a verification found wrong (``wrong``). A day never computed
    as a whole, or with most of its facts in these client-days, is rebuilt whole; of a day with nothing to do, nothing is
    read. Held and sealed days are left as they are, as in a rebuild. ``on_failed_day`` is reported of a day that another
    run writes, or that the database gave up on, which is then passed over.

    Raises:
        DayBusy: another run held a day longer than the lock timeout, and there is no ``on_failed_day``.
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    percent = database.settings.max_deleted_share
    work = partial(_refresh_locked_day, repaired_by=repaired_by, which=which, percent=percent)
    with alerting_held_days(database) as held:
        for day, outcome, seconds in for_each_day(database, days, work, on_failed_day):
            rebuilt = RebuiltDay(day, *outcome, seconds)
            held.extend([rebuilt.left] if isinstance(rebuilt.left, Hold) else [])
            yield rebuilt


def _refresh_locked_day(
    connection: Connection, day: date, repaired_by: str, which: Which, percent: float
) -> Recomputed:
    of_day = {"bucket_date": day, "wrong": which == "wrong"}
    todo = connection.execute(query("rebuild/client_days_to_refresh"), of_day).one()
    if todo.computed and not todo.clients:
        return NOTHING_READ, stored_totals(connection, day), 0, 0, False, read_day_state(connection, day).seal
    whole = not todo.computed or todo.unverifiable or todo.facts_to_read > WHOLE_DAY_SHARE * todo.facts
    return rebuild_locked_day(connection, day, None if whole else list(todo.clients), repaired_by, percent)
