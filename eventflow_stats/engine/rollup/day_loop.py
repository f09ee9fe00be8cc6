"""Work on days one after the other, each in its own transaction. A day that fails does not stop the others."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.damaged_pages import work_around_damage
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.measure import prepare_working_tables
from eventflow_stats.engine.rollup.second_count import record_unverifiable_day
from eventflow_stats.errors import DayBusy, Failed, OnFailedDay, UnverifiableDay

WorkResult = TypeVar("WorkResult")
OpenDay = Callable[[Database, Connection, date], AbstractContextManager[None]]


def for_each_day(
    database: Database,
    days: Iterable[date],
    work: Callable[[Connection, date], WorkResult],
    on_failed_day: OnFailedDay | None,
    prepare: Callable[[Connection], None] = prepare_working_tables,
    open_day: OpenDay = writing_day,
) -> Iterator[tuple[date, WorkResult, float]]:
    """The result of ``work`` on each day, oldest first, with the seconds it took, waiting for the day's lock included.

    ``work`` runs in the transaction that ``open_day`` begins (by default as the only writer of the day), with the
    working tables that ``prepare`` creates. Each result is committed before it is yielded. ``on_failed_day`` is called
    for a day that another run writes, that the database gave up on, or that is unverifiable; the loop then goes on.

    Raises:
        DayBusy: another run held a day longer than the lock timeout, and there is no ``on_failed_day``.
        Failed: a day failed, whatever the reason, and there is no ``on_failed_day``.
        UnverifiableDay: the views lose or double facts of a day, and there is no ``on_failed_day``; recorded.
        Unreachable, ReadOnly: the connection was lost, or nothing can be written.
        Refused: no connection, not migrated or permission denied.
    """
    with database.session() as connection:
        prepare(connection)
        for day in sorted(set(days)):
            started = time.perf_counter()
            try:
                result = work_around_damage(
                    connection,
                    partial(open_day, database, connection, day),
                    partial(_recording_unverifiable, work, connection, day),
                )
                if isinstance(result, UnverifiableDay):
                    raise result
            except (DayBusy, Failed) as error:
                if on_failed_day is None:
                    raise
                on_failed_day(day, error)
                continue
            yield day, result, time.perf_counter() - started


def _recording_unverifiable(
    work: Callable[[Connection, date], WorkResult], connection: Connection, day: date
) -> WorkResult | UnverifiableDay:
    """The result of ``work``, or the error that the day is unverifiable, recorded in the ledger.

    The error is found before anything of the day is written. It is returned, not raised: raising it here would roll
    its record back.
    """
    try:
        return work(connection, day)
    except UnverifiableDay as error:
        record_unverifiable_day(connection, error)
        return error
