"""Logins and the state of a session: nothing that a database, a role or a URL sets may change what the engine does."""

import json
import re
import select
import tempfile
import time
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from eventflow_stats.errors import Refused, Unreachable

CONNECT_SECONDS = 10
ENCODING = "UTF8"
"""The one encoding that holds every fact; psycopg reads bytes instead of text from a SQL_ASCII session."""
IDLE_IN_TRANSACTION = "10min"
"""A process that is stopped within a transaction holds its day no longer than this."""
SESSION = {
    "search_path": "pg_catalog, public",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmloption": "content",
    "row_security": "on",
    "default_table_access_method": "heap",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
    # From PostgreSQL 17 on. What bounds the work is statement_timeout.
    "transaction_timeout": "0",
    # Compiling a day's statements costs more than it saves.
    "jit": "off",
}
"""What every session of the project depends on. Left to the operator: whether the database may be written
(default_transaction_read_only), and where tables lie (default_tablespace, temp_tablespaces)."""

# Wrong until somebody changes it: who logs in (28: password, role, pg_hba.conf), the database (3D), and what the URL
# asks for (22, 42: an unknown option, no right to connect).
_LASTING = ("22", "28", "3D", "42")
_NOT_FOR_LIBPQ = ("autocommit", "context", "cursor_factory", "prepare_threshold", "row_factory")
# One message of libpq's trace. A text in it may hold anything, but the state comes before the first text of the server.
_ERROR_STATE = re.compile(rb'^B\t\d+\tErrorResponse\t S "[^"]*" (?:V "[^"]*" )?C "(\w{5})"', re.MULTILINE)
_worked: set[Hashable] = set()
"""The URLs that a login of this process worked with."""


class Logins:
    """Opens connections of one URL (``where`` names it in messages), and remembers whether that ever worked.

    The rule of a failed login. A server, or a pooler before it, refuses for many passing reasons, each in words of its
    own and of its language: it is full, starting, stopping, failing over. So no text is read. A login that worked
    before in this process may work again, whatever is said now. One that never did is refused for good where the
    server's SQLSTATE is about the password, the role, the database or the URL's options, and may work a moment later
    in every other case. Who retries does so for a bounded time, so that an unknown reason costs seconds, not a run.
    """

    def __init__(self, url: Hashable, where: str) -> None:
        self._url = url
        self._where = where

    def open(self, **parameters: Any) -> "psycopg.Connection[Any]":
        """A connection, its parameters psycopg's.

        Raises:
            Unreachable: no connection; a moment later it may work.
            Refused: no connection as long as nobody changes the URL, the login or the database.
        """
        try:
            connection = psycopg.connect(**parameters)
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            kind = Refused if self._lasts(error, parameters) else Unreachable
            raise kind(
                f"no connection to {self._where}: {line}; check setting EVENTFLOW_DATABASE_URL and the server"
            ) from error
        _worked.add(self._url)
        return connection

    def _lasts(self, error: psycopg.Error, parameters: Mapping[str, Any]) -> bool:
        if isinstance(error, psycopg.ProgrammingError):
            # An option in the URL that libpq does not know: nobody was asked.
            return True
        if self._url in _worked or isinstance(error, psycopg.errors.ConnectionTimeout):
            return False
        states = [error.sqlstate] if error.sqlstate else refused_login_states(parameters)
        return bool(states) and all(state.startswith(_LASTING) for state in states)


def refused_login_states(parameters: Mapping[str, Any]) -> list[str]:
    """The SQLSTATEs that servers refuse such a login with now; empty where it works, or none can be had.

    libpq keeps the state of a refused login to itself and hands out its text alone. Its trace of the messages has it,
    so the login is tried once more, traced.
    """
    wanted = {name: value for name, value in parameters.items() if name not in _NOT_FOR_LIBPQ}
    # Without a name: the trace has the messages of the login in it.
    with tempfile.TemporaryFile() as trace:
        connection = pq.PGconn.connect_start(make_conninfo(**wanted).encode())
        try:
            connection.trace(trace.fileno())
            connection.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
            _wait_for_login(connection)
            connection.untrace()
        except (psycopg.NotSupportedError, psycopg.OperationalError):
            # No trace on this platform.
            return []
        finally:
            connection.finish()
        trace.seek(0)
        return [state.decode() for state in _ERROR_STATE.findall(trace.read())]


def _wait_for_login(connection: Any) -> None:
    gives_up = time.monotonic() + CONNECT_SECONDS
    while connection.status != pq.ConnStatus.BAD and (left := gives_up - time.monotonic()) > 0:
        waits_for = connection.connect_poll()
        if waits_for == pq.PollingStatus.READING:
            select.select([connection.socket], [], [], left)
        elif waits_for == pq.PollingStatus.WRITING:
            select.select([], [connection.socket], [], left)
        else:
            return


def check_encoding(connection: "psycopg.Connection[Any]", where: str) -> None:
    """Check that the database can hold the facts.

    Raises:
        Refused: its encoding is another than UTF8.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in (None, ENCODING):
        raise Refused(
            f"the encoding of {where} is {encoding}, which cannot hold every fact; {ENCODING} is needed: create a "
            f"database with ENCODING '{ENCODING}' TEMPLATE template0, and move the data there"
        )


def prepare_session(
    connection: "psycopg.Connection[Any]", settings: Mapping[str, str], role: str | None, where: str
) -> None:
    """Set everything that the work of a session depends on, whatever its database, role or URL set.

    Raises:
        Refused: the role is missing, as it is before the first migration.
    """
    autocommit, connection.autocommit = connection.autocommit, True
    connection.execute("SET search_path = pg_catalog")
    wanted = {name.lower(): value for name, value in {**SESSION, **settings}.items()}
    # From the server's own list: one that an older server does not know is left out.
    connection.execute(
        "SELECT set_config(name, %s::jsonb ->> lower(name), false) FROM pg_settings WHERE lower(name) = ANY (%s)",
        [json.dumps(wanted), list(wanted)],
    )
    # The backend of a killed process would otherwise hold its day until the statement ends; a
    # server that cannot look (on Windows) refuses the setting.
    with suppress(psycopg.errors.InvalidParameterValue):
        connection.execute("SET client_connection_check_interval = '1s'")
    if role is not None:
        try:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        except psycopg.errors.InvalidParameterValue as error:
            raise Refused(
                f"{where} is not migrated ({error.diag.message_primary}); run `eventflow-stats migrate`"
            ) from error
    connection.autocommit = autocommit
