"""How the rollup stands, asked of the ledger for monitors: never more than one question at a time, never for long."""

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

PATIENCE_SECONDS = 5.0
Answer = TypeVar("Answer")

DATABASE_FAILED = (EventflowError, SQLAlchemyError, psycopg.Error)
"""What the engine raises, and what it lets through of a database that is not as this version knows it."""


class Away(Exception):
    """The ledger could not be asked; the text is one line, without the database's own words."""


async def in_a_thread(work: Callable[[], Answer]) -> Answer:
    """What ``work`` returns or raises; the thread is a daemon, so that a server that hangs keeps no process alive."""
    done: Future[Answer] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001
            done.set_exception(error)

    Thread(target=run, name="monitoring", daemon=True).start()
    return await asyncio.wrap_future(done)


def of_monitoring(url: str, settings: Settings) -> Database:
    """The engine's database, its waiting bounded as a monitor's has to be; the login must be able to take its role."""
    bounded = {
        "statement_timeout": min(settings.statement_timeout, PATIENCE_SECONDS),
        "lock_timeout": min(settings.lock_timeout, PATIENCE_SECONDS),
    }
    return Database(url, settings.model_copy(update=bounded))


def check_timezone(settings: Settings) -> None:
    """Refuse to serve a database whose days are those of another time zone; one that is away is asked later.

    Raises:
        OtherTimezone: the line names both zones.
    """
    if settings.database_url is None:
        return
    try:
        with of_monitoring(settings.database_url, settings).session():
            pass
    except OtherTimezone:
        raise
    except DATABASE_FAILED:
        return


class Watch:
    """Asks the database how the rollup stands."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: asyncio.Task[Status | Away] | None = None

    async def status(self) -> Status:
        """How the rollup stands. Who asks while a question is under way gets its answer, so that nobody can open
        more than one connection by asking often, or by asking a server that hangs.

        Raises:
            Away: it cannot be known, or not within 5 seconds.
        """
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask())
        try:
            answer = await asyncio.wait_for(asyncio.shield(self._asked), PATIENCE_SECONDS)
        except TimeoutError:
            raise Away(
                f"the database of the rollup gives no answer within {PATIENCE_SECONDS:g} s; is it overloaded or stuck?"
            ) from None
        if isinstance(answer, Away):
            raise answer
        return answer

    async def _ask(self) -> Status | Away:
        try:
            return await in_a_thread(lambda: read_status(self._database))
        except OtherTimezone as error:
            return Away(str(error))
        except Unreachable:
            return Away("the database of the rollup cannot be reached; does it run, is EVENTFLOW_DATABASE_URL right?")
        except Failed:
            return Away("the database of the rollup gave up; is it overloaded, or its disk full?")
        except DATABASE_FAILED:
            return Away(
                "the database of the rollup cannot be asked; `eventflow-stats status` says why, with the same settings"
            )
