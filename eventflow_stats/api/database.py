"""The database behind the API: pooled connections; each question one read-only transaction as the caller."""

import asyncio
import logging
import os
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from eventflow_stats.api.caller_limits import CallerLimits
from eventflow_stats.api.errors import InvalidRequest, NotFound, TooMany, Unavailable
from eventflow_stats.settings import Settings

LOG = logging.getLogger("eventflow_stats.api")
Answer = TypeVar("Answer")
NOT_SET_UP = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InvalidParameterValue,
)
HOW_TO_SET_UP = (
    "run `eventflow-stats migrate`, and grant role authenticated to the login of EVENTFLOW_API_DATABASE_URL "
    "(or EVENTFLOW_DATABASE_URL)"
)
PATIENCE_SECONDS = 3.0
"""How long a request waits for a connection: one that comes later finds the database away or overrun."""
RECONNECT_SECONDS = 10.0
"""For how long the pool tries by itself to replace a lost connection; after that the next request makes it try."""
WAITING_PER_CONNECTION = 20
SILENCE_SECONDS = 1.0
"""How much longer than its timeout a statement is waited for: the server gives up first, unless it is silent."""
CONNECTION = {
    "autocommit": True,
    # Not prepared: a pooler in front of the database (Supabase's) gives each transaction another session.
    "prepare_threshold": None,
    "application_name": "eventflow-stats api",
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

# Values are sent apart from the statements, so that PostgreSQL's log of an error or of a slow statement names no user.
AS_THE_CALLER: LiteralString = (
    "SELECT set_config('transaction_read_only', 'on', true), "
    "set_config('statement_timeout', %(timeout)s, true), "
    "set_config('request.jwt.claims', %(claims)s, true), "
    # auth.uid() reads it first, and a session behind a pooler may have been another's.
    "set_config('request.jwt.claim.sub', '', true), "
    # What the database or the login sets for its sessions must not reach an answer.
    "set_config('search_path', 'pg_catalog, public', true), "
    "set_config('DateStyle', 'ISO, YMD', true), "
    "set_config('IntervalStyle', 'postgres', true), "
    "set_config('TimeZone', 'UTC', true), "
    "set_config('extra_float_digits', '1', true), "
    "set_config('row_security', 'on', true), "
    "set_config('role', 'authenticated', true)"
)

IF_READABLE: LiteralString = "WHERE marketing_is_readable(%(client)s, %(link)s)"
"""Ends a statement, with the parameters client and link (None: no link): no row if the caller may not read them. The
functions would raise an error, and PostgreSQL writes errors into its log."""


async def keep_open(connection: AsyncConnection) -> None:
    """Prepare a new connection of the pool: it rests between requests, whatever the database or the login sets."""
    await connection.execute("SET idle_session_timeout = 0")


def has_something_to_read(connection: AsyncConnection) -> bool:
    """Whether the other side sent something, or ended the stream, since the last answer."""
    line = select.poll()
    line.register(connection.pgconn.socket, select.POLLIN)
    return bool(line.poll(0))


class Reader:
    """Asks the read functions, as role ``authenticated`` with the caller's claims: row-level security decides."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._timeout = settings.api_timeout
        self._limits = CallerLimits(min(settings.api_connections_per_caller, max(1, settings.api_connections - 1)))
        self._pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=settings.api_connections,
            max_waiting=settings.api_connections * WAITING_PER_CONNECTION,
            timeout=PATIENCE_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=keep_open,
            check=self._check,
            kwargs=CONNECTION,
            open=False,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Reader"]:
        """Holds the connections; a database that is away is waited for by the requests."""
        await self._pool.open()
        try:
            yield self
        finally:
            await self._pool.close()

    async def ask(self, claims: str, statement: LiteralString, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """The one row of a statement that ends with ``IF_READABLE``.

        Raises:
            InvalidRequest: the range cannot be answered.
            NotFound: the client or link is not there, or not the caller's.
            TooMany: too many requests wait already, of the caller or of all.
            Unavailable: no connection, a lost one, or no answer in time.
        """
        try:
            async with self._limits.place(claims), self._pool.connection() as connection:
                return await self._bounded(connection, self._row(connection, claims, statement, parameters))
        except TooManyRequests:
            raise TooMany from None
        except PoolTimeout:
            raise Unavailable(
                f"no database connection was free within {PATIENCE_SECONDS:g} s: it is away or overloaded; try again"
            ) from None
        except psycopg.errors.QueryCanceled:
            raise Unavailable(f"no answer within {self._timeout:g} s; ask for a shorter range", 10) from None
        except psycopg.OperationalError:
            # The others of the pool are as likely dead: replaced now, not found out one request after the other.
            await self._pool.drain()
            raise Unavailable("the database went away; try again") from None
        except NOT_SET_UP as error:
            LOG.error("the read functions cannot be used (%s): %s", error.sqlstate, HOW_TO_SET_UP)
            raise Unavailable("the read API is not set up; its log says what to do", 60) from None
        except psycopg.Error as error:
            if error.sqlstate == "PT404":
                raise NotFound from None
            if error.sqlstate == "PT400":
                raise InvalidRequest(str(error.diag.message_primary)) from None
            raise

    async def _check(self, connection: AsyncConnection) -> None:
        """Check a connection before it is used: a server, a pooler or a timeout may have closed it meanwhile.

        Whoever closed it said so, or at least ended the stream. Only then is the server asked: it costs a round trip.

        Raises:
            psycopg.OperationalError: it is closed; the pool replaces it, and all others that wait in it.
        """
        if not has_something_to_read(connection):
            return
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.OperationalError:
            await self._pool.drain()
            raise

    async def _bounded(self, connection: AsyncConnection, work: Awaitable[Answer]) -> Answer:
        """What ``work`` returns; a server that says nothing for too long is hung up on, which fails it as lost."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=self._timeout + SILENCE_SECONDS)
        finally:
            if not task.done():
                # Not cancelled: psycopg would wait for the server to confirm it.
                with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line, suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
        return await task

    async def _row(
        self, connection: AsyncConnection, claims: str, statement: LiteralString, parameters: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        # One round trip, and one transaction without a BEGIN: a pipeline is one until it is synchronized.
        async with connection.pipeline():
            await connection.execute(AS_THE_CALLER, {"timeout": f"{self._timeout * 1000:.0f}", "claims": claims})
            cursor = await connection.execute(statement, parameters)
        row = await cursor.fetchone()
        if row is None:
            raise NotFound
        return row
