"""Opens sessions and sets everything that the engine depends on: settings of database, role or URL have no effect."""

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
"""The only encoding that can store every fact; in a SQL_ASCII session psycopg returns bytes instead of text."""
IDLE_IN_TRANSACTION = "10min"
"""A process that is stopped within a transaction keeps the lock of its day no longer than this."""
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
    # From PostgreSQL 17 on. statement_timeout limits the work.
    "transaction_timeout": "0",
    # Compiling a day's statements costs more than it saves.
    "jit": "off",
}
"""The settings that every session of the project depends on. The operator decides whether the database may be written
(default_transaction_read_only), and where tables are stored (default_tablespace, temp_tablespaces)."""

# SQLSTATEs of errors that stay until an operator changes something: the login (28: password, role, pg_hba.conf), the
# database (3D), or an option of the URL (22, 42: an unknown option, no right to connect).
_PERMANENT = ("22", "28", "3D", "42")
_NOT_FOR_LIBPQ = ("autocommit", "context", "cursor_factory", "prepare_threshold", "row_factory")
# One message of libpq's trace. A text in it may contain anything, but the state comes before the server's first text.
_ERROR_STATE = re.compile(rb'^B\t\d+\tErrorResponse\t S "[^"]*" (?:V "[^"]*" )?C "(\w{5})"', re.MULTILINE)
_worked: set[Hashable] = set()
"""The URLs with which a login of this process succeeded."""


class Logins:
    """Opens connections to one URL (``where`` names it in messages), and remembers whether a login ever succeeded.

    A server, or a pooler before it, refuses logins for many temporary reasons (it is full, starting, stopping, failing
    over), with texts of its own in its own language. So the text does not decide. A login that succeeded before in
    this process may succeed again. One that never did is refused permanently where the server's SQLSTATE is about the
    password, the role, the database or an option of the URL; in every other case it may succeed a moment later.
    Callers retry for a limited time, so an unknown reason costs seconds, not a run.
    """

    def __init__(self, url: Hashable, where: str) -> None:
        self._url = url
        self._where = where

    def open(self, **parameters: Any) -> "psycopg.Connection[Any]":
        """A connection with psycopg's parameters.

        Raises:
            Unreachable: no connection; it may succeed a moment later.
            Refused: no connection until an operator changes the URL, the login or the database.
        """
        try:
            connection = psycopg.connect(**parameters)
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            kind = Refused if self._is_permanent(error, parameters) else Unreachable
            raise kind(
                f"no connection to {self._where}: {line}; check setting EVENTFLOW_DATABASE_URL and the server"
            ) from error
        _worked.add(self._url)
        return connection

    def _is_permanent(self, error: psycopg.Error, parameters: Mapping[str, Any]) -> bool:
        if isinstance(error, psycopg.ProgrammingError):
            # libpq does not know an option of the URL, and did not connect.
            return True
        if self._url in _worked or isinstance(error, psycopg.errors.ConnectionTimeout):
            return False
        states = [error.sqlstate] if error.sqlstate else refused_login_states(parameters)
        return bool(states) and all(state.startswith(_PERMANENT) for state in states)


def refused_login_states(parameters: Mapping[str, Any]) -> list[str]:
    """The SQLSTATEs with which the servers refuse this login now; empty where it succeeds, or there is none.

    libpq returns only the text of a refused login. Its trace of the messages contains the SQLSTATE, so the login is
    repeated with a trace.
    """
    wanted = {name: value for name, value in parameters.items() if name not in _NOT_FOR_LIBPQ}
    # A file without a name: the trace contains the messages of the login.
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
    """Check that the database can store every fact.

    Raises:
        Refused: its encoding is not UTF8.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in (None, ENCODING):
        raise Refused(
            f"the encoding of {where} is {encoding}, which cannot store every fact; {ENCODING} is needed: create a "
            f"database with ENCODING '{ENCODING}' TEMPLATE template0, and move the data there"
        )


def prepare_session(
    connection: "psycopg.Connection[Any]", settings: Mapping[str, str], role: str | None, where: str
) -> None:
    """Set everything that the work of a session depends on, over the settings of database, role and URL.

    Raises:
        Refused: the role is missing, as before the first migration.
    """
    autocommit, connection.autocommit = connection.autocommit, True
    connection.execute("SET search_path = pg_catalog")
    wanted = {name.lower(): value for name, value in {**SESSION, **settings}.items()}
    # Only settings in the server's own list: an older server does not have all of them.
    connection.execute(
        "SELECT set_config(name, %s::jsonb ->> lower(name), false) FROM pg_settings WHERE lower(name) = ANY (%s)",
        [json.dumps(wanted), list(wanted)],
    )
    # Otherwise the backend of a killed process would keep the lock of its day until the statement ends. A server that
    # cannot check its connections (on Windows) refuses the setting.
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
