"""The database behind the API: pooled connections. Each query is one read-only transaction with the caller's rights."""

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
WAIT_SECONDS = 3.0
"""Maximum time that a request waits for a connection. After that the database is away or overloaded."""
RECONNECT_SECONDS = 10.0
"""Time during which the pool tries to replace a lost connection. After that the next request starts a try."""
WAITING_PER_CONNECTION = 20
SILENCE_SECONDS = 1.0
"""Time from the timeout of a statement until its connection is closed. A working server cancels it before that."""
CONNECTION = {
    "autocommit": True,
    # No prepared statements: a pooler in front of the database (Supabase's) gives each transaction another session.
    "prepare_threshold": None,
    "application_name": "eventflow-stats api",
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

# Values are sent separately from statements, so that PostgreSQL's log of an error or a slow statement names no user.
AS_THE_CALLER: LiteralString = (
    "SELECT set_config('transaction_read_only', 'on', true), "
    "set_config('statement_timeout', %(timeout)s, true), "
    "set_config('request.jwt.claims', %(claims)s, true), "
    # auth.uid() reads it first, and behind a pooler it may have been set for another user.
    "set_config('request.jwt.claim.sub', '', true), "
    # Settings of the database or of the login must not change an answer.
    "set_config('search_path', 'pg_catalog, public', true), "
    "set_config('DateStyle', 'ISO, YMD', true), "
    "set_config('IntervalStyle', 'postgres', true), "
    "set_config('TimeZone', 'UTC', true), "
    "set_config('extra_float_digits', '1', true), "
    "set_config('row_security', 'on', true), "
    "set_config('role', 'authenticated', true)"
)

IF_READABLE: LiteralString = "WHERE marketing_is_readable(%(client)s, %(link)s)"
"""The end of a statement: no row if the caller may not read the client or link (parameters client and link, None: no
link). Without it the functions raise an error, and PostgreSQL writes errors to its log."""


async def disable_idle_timeout(connection: AsyncConnection) -> None:
    """Let a new connection of the pool stay idle between requests, whatever the database or the login sets."""
    await connection.execute("SET idle_session_timeout = 0")


def has_unread_data(connection: AsyncConnection) -> bool:
    """Return whether the server sent data, or closed the connection, since the last answer."""
    line = select.poll()
    line.register(connection.pgconn.socket, select.POLLIN)
    return bool(line.poll(0))


class Reader:
    """Queries the read functions as role ``authenticated`` with the caller's claims: row-level security decides."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._timeout = settings.api_timeout
        self._limits = CallerLimits(min(settings.api_connections_per_caller, max(1, settings.api_connections - 1)))
        self._pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=settings.api_connections,
            max_waiting=settings.api_connections * WAITING_PER_CONNECTION,
            timeout=WAIT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=disable_idle_timeout,
            check=self._check,
            kwargs=CONNECTION,
            open=False,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Reader"]:
        """Open the pool. It opens also when the database is away; then the requests wait for a connection."""
        await self._pool.open()
        try:
            yield self
        finally:
            await self._pool.close()

    async def ask(self, claims: str, statement: LiteralString, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the one row of a statement that ends with ``IF_READABLE``.

        Raises:
            InvalidRequest: the range cannot be answered.
            NotFound: the client or link does not exist, or the caller may not read it.
            TooMany: too many requests of the caller, or of all callers, wait.
            Unavailable: no connection, a lost connection, or no answer in time.
        """
        try:
            async with self._limits.place(claims), self._pool.connection() as connection:
                return await self._with_timeout(connection, self._row(connection, claims, statement, parameters))
        except TooManyRequests:
            raise TooMany from None
        except PoolTimeout:
            raise Unavailable(
                f"no database connection was free within {WAIT_SECONDS:g} s: it is away or overloaded; try again"
            ) from None
        except psycopg.errors.QueryCanceled:
            raise Unavailable(f"no answer within {self._timeout:g} s; ask for a shorter range", 10) from None
        except psycopg.OperationalError:
            # The other connections of the pool are probably lost too. They are replaced now, not by one request each.
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
        """Check a connection before its use: a server, a pooler or a timeout may have closed it.

        A closed connection has unread data or an ended stream. Only then a query checks it, which costs a round trip.

        Raises:
            psycopg.OperationalError: it is closed. The pool replaces it and all its other idle connections.
        """
        if not has_unread_data(connection):
            return
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.OperationalError:
            await self._pool.drain()
            raise

    async def _with_timeout(self, connection: AsyncConnection, work: Awaitable[Answer]) -> Answer:
        """Return the result of ``work``. After the timeout the connection is closed, so that ``work`` fails as lost."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=self._timeout + SILENCE_SECONDS)
        finally:
            if not task.done():
                # Not canceled: psycopg would wait until the server confirms that.
                with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line, suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
        return await task

    async def _row(
        self, connection: AsyncConnection, claims: str, statement: LiteralString, parameters: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        # A pipeline is one round trip, and one transaction without a BEGIN.
        async with connection.pipeline():
            await connection.execute(AS_THE_CALLER, {"timeout": f"{self._timeout * 1000:.0f}", "claims": claims})
            cursor = await connection.execute(statement, parameters)
        row = await cursor.fetchone()
        if row is None:
            raise NotFound
        return row
