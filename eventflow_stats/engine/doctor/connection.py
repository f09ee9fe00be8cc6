"""Checks of the way to the database: does it answer, which version it has, whether a pooler is between, its clock.

They use a connection in which nothing is set. A pooler that hands out sessions by the transaction would leave a setting
in a session that the next client gets.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, not_checked, run_check
from eventflow_stats.engine.postgres.database import OLDEST_SERVER, Database, connection_string, readable_url
from eventflow_stats.engine.postgres.logins import CONNECT_SECONDS, ENCODING, check_encoding
from eventflow_stats.errors import Refused
from eventflow_stats.formatting import format_duration

AREA = "connection"
NO_DATABASE = "there is no usable connection, see above"
SKEW_TO_WATCH = timedelta(seconds=5)
SKEW_TOO_FAR = timedelta(minutes=5)


def check_connection(database: Database) -> list[DoctorLine]:
    """Check the way to the database. If a check except the clock's fails, no other part can be checked."""
    answer = run_check(AREA, "database", lambda: check_answer(database))
    if answer.state == "fail":
        return [answer, *(not_checked(AREA, name, NO_DATABASE) for name in ("server", "encoding", "pooler", "clock"))]
    return [
        answer,
        run_check(AREA, "server", lambda: check_version(database)),
        run_check(AREA, "encoding", lambda: check_server_encoding(database)),
        run_check(AREA, "pooler", lambda: check_pooler(database)),
        run_check(AREA, "clock", lambda: check_clock(database)),
    ]


def plain_connection(database: Database) -> "psycopg.Connection[Any]":
    """A connection of the URL's own user in which nothing is set."""
    return psycopg.connect(
        connection_string(database.url),
        prepare_threshold=None,
        connect_timeout=CONNECT_SECONDS,
        client_encoding=ENCODING,
    )


def check_answer(database: Database) -> CheckResult:
    where = readable_url(database.url)
    try:
        with plain_connection(database) as connection:
            user = connection.info.user
    except psycopg.Error as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return CheckResult("fail", f"no connection to {where}: {line}", "check EVENTFLOW_DATABASE_URL and the server")
    return CheckResult("ok", f"{where} answers user {user}")


def check_version(database: Database) -> CheckResult:
    with plain_connection(database) as connection:
        version = connection.info.server_version
    message = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version < OLDEST_SERVER:
        return CheckResult("fail", f"{message}; 15 or newer is needed", "upgrade the server")
    return CheckResult("ok", message)


def check_server_encoding(database: Database) -> CheckResult:
    with plain_connection(database) as connection:
        try:
            check_encoding(connection, readable_url(database.url))
        except Refused as error:
            return CheckResult("fail", *str(error).split("; ", 1))
    return CheckResult("ok", ENCODING)


def check_pooler(database: Database) -> CheckResult:
    """Open two sessions side by side: a pooler in transaction mode gives the second the process of the first."""
    with plain_connection(database) as first, plain_connection(database) as second:
        process = _process(first)
        first.commit()
        _process(second)
        has_another_process = _process(first) != process
        has_pooler = process != first.info.backend_pid
    if has_another_process:
        return CheckResult(
            "fail",
            "a pooler in transaction mode: role, settings and locks of a session would be lost or go to another client",
            "point EVENTFLOW_DATABASE_URL at the server itself or at the pooler in session mode (Supabase: port 5432)",
        )
    return CheckResult("ok", "one in session mode" if has_pooler else "none")


def _process(connection: "psycopg.Connection[Any]") -> int:
    (process,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return int(process)


def check_clock(database: Database) -> CheckResult:
    with plain_connection(database) as connection:
        before, started = datetime.now(UTC), time.monotonic()
        # As a number: nothing is set here, and the text of a time depends on DateStyle.
        asked = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        took = timedelta(seconds=time.monotonic() - started)
    theirs = datetime.fromtimestamp(float(asked[0]), UTC) if asked else before
    return compare_clocks(theirs - (before + took / 2), took)


def compare_clocks(ahead: timedelta, took: timedelta) -> CheckResult:
    """Compare the two clocks.

    Parameters: ``ahead``: by how much the database's clock is ahead of this machine's; ``took``: how long the question
    took, so that ``ahead`` is uncertain by half of it.
    """
    off = max(abs(ahead) - took / 2, timedelta(0))
    if off < SKEW_TO_WATCH:
        return CheckResult("ok", "database and this machine have the same time")
    direction = "ahead of" if ahead > timedelta(0) else "behind"
    return CheckResult(
        "fail" if off >= SKEW_TOO_FAR else "warn",
        f"the database's clock is {format_duration(abs(ahead))} {direction} this machine's",
        "set both by NTP: the schedule uses this machine's clock, facts the database's",
    )
