"""Reads the status of the rollup for monitors, with at most one query at a time and a limited wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.health import Status, read_status
from eventflow_stats.errors import EventflowError, Failed, OtherTimezone, Unreachable
from eventflow_stats.settings import Settings

WAIT_SECONDS = 5.0
Answer = TypeVar("Answer")

DATABASE_FAILED = (EventflowError, SQLAlchemyError, psycopg.Error)
"""Errors of the engine, and of a database with another schema than this version expects."""


class DatabaseAway(Exception):
    """The status could not be read. The text is one line, without words of the database."""


async def run_in_daemon_thread(work: Callable[[], Answer]) -> Answer:
    """Return or raise the outcome of ``work``. The thread is a daemon: a server that hangs keeps no process alive."""
    done: Future[Answer] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001
            done.set_exception(error)

    Thread(target=run, name="monitoring", daemon=True).start()
    return await asyncio.wrap_future(done)


def monitoring_database(url: str, settings: Settings) -> Database:
    """Return the engine's database with timeouts short enough for a monitor. The login must be able to take the
    engine's role."""
    limited = {
        "statement_timeout": min(settings.statement_timeout, WAIT_SECONDS),
        "lock_timeout": min(settings.lock_timeout, WAIT_SECONDS),
    }
    return Database(url, settings.model_copy(update=limited))


def check_timezone(settings: Settings) -> None:
    """Refuse to serve a database whose days are those of another time zone. A database that is away is not checked.

    Raises:
        OtherTimezone: the message names both zones.
    """
    if settings.database_url is None:
        return
    try:
        with monitoring_database(settings.database_url, settings).session():
            pass
    except OtherTimezone:
        raise
    except DATABASE_FAILED:
        return


class StatusReader:
    """Reads the status of the rollup."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading: asyncio.Task[Status | DatabaseAway] | None = None

    async def status(self) -> Status:
        """Return the status. Callers during a read share its result. So no caller can open more than one connection by
        asking often, or by asking while the server hangs.

        Raises:
            DatabaseAway: the status could not be read, or not within 5 seconds.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            answer = await asyncio.wait_for(asyncio.shield(self._reading), WAIT_SECONDS)
        except TimeoutError:
            raise DatabaseAway(
                f"the database of the rollup gives no answer within {WAIT_SECONDS:g} s; is it overloaded or stuck?"
            ) from None
        if isinstance(answer, DatabaseAway):
            raise answer
        return answer

    async def _read(self) -> Status | DatabaseAway:
        try:
            return await run_in_daemon_thread(lambda: read_status(self._database))
        except OtherTimezone as error:
            return DatabaseAway(str(error))
        except Unreachable:
            return DatabaseAway(
                "the database of the rollup cannot be reached; does it run, is EVENTFLOW_DATABASE_URL right?"
            )
        except Failed:
            return DatabaseAway("the database of the rollup gave up; is it overloaded, or its disk full?")
        except DATABASE_FAILED:
            return DatabaseAway(
                "the status of the rollup cannot be read; `eventflow-stats status`, with the same settings, gives the "
                "reason"
            )
