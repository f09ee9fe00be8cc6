"""Work on days one after the other, each in its own transaction: one that fails keeps no other waiting."""

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

Outcome = TypeVar("Outcome")
OpenDay = Callable[[Database, Connection, date], AbstractContextManager[None]]


def for_each_day(
    database: Database,
    days: Iterable[date],
    work: Callable[[Connection, date], Outcome],
    on_failed_day: OnFailedDay | None,
    prepare: Callable[[Connection], None] = prepare_working_tables,
    open_day: OpenDay | None = None,
) -> Iterator[tuple[date, Outcome, float]]:
    """What ``work`` comes to on each day, oldest first, and the seconds it took, waiting for the day's lock included.

    ``work`` runs as the one writer of the day (or in its ``open_day``, another method of the database), with the working
    tables that ``prepare`` makes; what it yields is committed. ``on_failed_day`` is reported of a day that
    another run writes, that the database gave up on, or that is unverifiable, which is then passed over.

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
                outcome = work_around_damage(
                    connection,
                    partial(open_day or writing_day, database, connection, day),
                    partial(_noting_unverifiable, work, connection, day),
                )
                if isinstance(outcome, UnverifiableDay):
                    raise outcome
            except (DayBusy, Failed) as error:
                if on_failed_day is None:
                    raise
                on_failed_day(day, error)
                continue
            yield day, outcome, time.perf_counter() - started


def _noting_unverifiable(
    work: Callable[[Connection, date], Outcome], connection: Connection, day: date
) -> Outcome | UnverifiableDay:
    """What ``work`` returns. That a day is unverifiable is found before anything of it is written: the ledger is reported
    in the same transaction, which must not be rolled back by the error then."""
    try:
        return work(connection, day)
    except UnverifiableDay as error:
        record_unverifiable_day(connection, error)
        return error
