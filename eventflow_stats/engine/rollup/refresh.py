"""Refresh stale client-days, and repair wrong ones: recompute these client-days of a day, and no others."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import partial
from typing import Literal

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.held_and_sealed_days import read_day_state
from eventflow_stats.engine.rollup.rebuild import RebuiltDay, rebuild_days, rebuild_locked_day, unchanged_day
from eventflow_stats.errors import OnFailedDay

Which = Literal["stale", "wrong"]
WHOLE_DAY_SHARE = 0.5
"""Above this share of a day's facts the whole day is read: that is cheaper than to look up its clients one by one."""


def refresh(
    database: Database,
    days: Iterable[date],
    repaired_by: str = "refresh",
    which: Which = "stale",
    on_failed_day: OnFailedDay | None = None,
) -> Iterator[RebuiltDay]:
    """Recompute client-days of each day, oldest first, each day in one transaction; yields each when it is committed.

    ``which``: "stale" recomputes the stale client-days (a refresh), "wrong" those with groups that a verification found
    wrong (a repair). A day that was never computed as a whole, or that has most of its facts in these client-days, is
    rebuilt whole. A day without such client-days is not read. Held and sealed days are left as they are, as in a
    rebuild. ``on_failed_day``: see ``for_each_day``.

    Raises:
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    percent = database.settings.max_deleted_share
    work = partial(_refresh_locked_day, repaired_by=repaired_by, which=which, percent=percent)
    yield from rebuild_days(database, days, work, on_failed_day)


def _refresh_locked_day(
    connection: Connection, day: date, repaired_by: str, which: Which, percent: float
) -> RebuiltDay:
    of_day = {"bucket_date": day, "wrong": which == "wrong"}
    found = connection.execute(query("rebuild/client_days_to_refresh"), of_day).one()
    if found.computed and not found.clients:
        return unchanged_day(connection, day, read_day_state(connection, day).seal)
    whole = not found.computed or found.unverifiable or found.facts_to_read > WHOLE_DAY_SHARE * found.facts
    return rebuild_locked_day(connection, day, None if whole else list(found.clients), repaired_by, percent)
