"""One writer for each day: an advisory lock of the session, taken before the transaction begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.assumptions.assumptions import check_assumptions, lock_facts
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import DayBusy


@contextmanager
def writing_day(
    database: Database, connection: Connection, day: date, wait_seconds: float | None = None
) -> Iterator[None]:
    """A transaction of the only writer of a day, in which the assumptions hold.

    The lock is taken before the transaction begins, so that its snapshot sees what the last writer committed.

    Parameters: ``wait_seconds`` is how long to wait for the lock; None: the lock timeout of the settings.

    Raises:
        Unverifiable: an assumption does not hold.
        DayBusy: another writer held the day longer than that.
        Conflict, Failed: the work on this day failed. The connection can be used for the next day.
        Unreachable, ReadOnly: the connection is lost, or the database cannot be written. No other day can be worked on.
    """
    seconds = database.settings.lock_timeout if wait_seconds is None else wait_seconds
    with (
        database.translated_errors(connection),
        _locked(connection, day, "rebuild/lock_day", "rebuild/unlock_day", seconds),
        connection.begin(),
    ):
        lock_facts(connection)
        check_assumptions(connection)
        yield


@contextmanager
def reading_day(database: Database, connection: Connection, day: date) -> Iterator[None]:
    """A transaction of the only computation of a day's data quality. Its snapshot sees what the last writer committed.

    The writer's lock is released as soon as the snapshot is taken: the rest only reads, and a refresh need not wait.

    Raises:
        DayBusy: a writer, or another such computation, held the day longer than the lock timeout.
        Conflict, Failed: the work on this day failed. The connection can be used for the next day.
        Unreachable, ReadOnly: the connection is lost, or the database cannot be written. No other day can be worked on.
    """
    seconds = database.settings.lock_timeout
    with (
        database.translated_errors(connection),
        _locked(connection, day, "quality/lock_quality_day", "quality/unlock_quality_day", seconds),
    ):
        _lock(connection, day, "rebuild/lock_day", seconds)
        with connection.begin():
            lock_facts(connection)
            # REPEATABLE READ keeps the snapshot of the first statement, which is taken before that statement runs.
            connection.execute(query("rebuild/unlock_day"), {"bucket_date": day})
            check_assumptions(connection)
            yield


@contextmanager
def _locked(connection: Connection, day: date, lock: str, unlock: str, seconds: float) -> Iterator[None]:
    _lock(connection, day, lock, seconds)
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.execute(query(unlock), {"bucket_date": day})
            connection.commit()


def _lock(connection: Connection, day: date, lock: str, seconds: float) -> None:
    try:
        connection.execute(query("rebuild/set_lock_timeout"), {"lock_timeout": f"{seconds * 1000:.0f}ms"})
        connection.execute(query(lock), {"bucket_date": day})
    except DBAPIError as error:
        connection.rollback()
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise DayBusy(day, seconds) from None
        raise
    # The advisory lock belongs to the session and outlives this transaction.
    connection.commit()
