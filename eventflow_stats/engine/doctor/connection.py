"""The way to the database: whether it answers, what stands between, how old it is, what its clock says.

Made on a connection that sets nothing: behind a pooler that hands out sessions by the transaction, a setting would
stay in a session that the next client gets.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, not_checked, run_check
from eventflow_stats.engine.postgres.database import OLDEST_SERVER, Database, connection_string, readable_url
from eventflow_stats.engine.postgres.logins import CONNECT_SECONDS, ENCODING, check_encoding
from eventflow_stats.errors import Refused
from eventflow_stats.formatting import lasting

AREA = "connection"
NO_DATABASE = "the database cannot be asked, see connection"
SKEW_TO_WATCH = timedelta(seconds=5)
SKEW_TOO_FAR = timedelta(minutes=5)


def examine_connection(database: Database) -> list[Diagnosis]:
    """How the way to the database stands; where one failed, the clock apart, nothing more is to be asked of it."""
    answer = run_check(AREA, "database", lambda: answers(database))
    if answer.state == "fail":
        return [answer, *(not_checked(AREA, name, NO_DATABASE) for name in ("server", "encoding", "pooler", "clock"))]
    return [
        answer,
        run_check(AREA, "server", lambda: server(database)),
        run_check(AREA, "encoding", lambda: encoding(database)),
        run_check(AREA, "pooler", lambda: pooler(database)),
        run_check(AREA, "clock", lambda: clock(database)),
    ]


def plain_connection(database: Database) -> "psycopg.Connection[Any]":
    """A connection of the URL's own user that nothing was set in."""
    return psycopg.connect(
        connection_string(database.url),
        prepare_threshold=None,
        connect_timeout=CONNECT_SECONDS,
        client_encoding=ENCODING,
    )


def answers(database: Database) -> Outcome:
    where = readable_url(database.url)
    try:
        with plain_connection(database) as connection:
            user = connection.info.user
    except psycopg.Error as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Outcome("fail", f"no connection to {where}: {line}", "check EVENTFLOW_DATABASE_URL and the server")
    return Outcome("ok", f"{where} answers user {user}")


def server(database: Database) -> Outcome:
    with plain_connection(database) as connection:
        version = connection.info.server_version
    message = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version < OLDEST_SERVER:
        return Outcome("fail", f"{message}; 15 or newer is needed", "upgrade the server")
    return Outcome("ok", message)


def encoding(database: Database) -> Outcome:
    with plain_connection(database) as connection:
        try:
            check_encoding(connection, readable_url(database.url))
        except Refused as error:
            return Outcome("fail", *str(error).split("; ", 1))
    return Outcome("ok", ENCODING)


def pooler(database: Database) -> Outcome:
    """Two sessions side by side: a pooler in transaction mode gives the second the first one's process."""
    with plain_connection(database) as first, plain_connection(database) as second:
        process = _process(first)
        first.commit()
        _process(second)
        moved = _process(first) != process
        between = process != first.info.backend_pid
    if moved:
        return Outcome(
            "fail",
            "a pooler in transaction mode: a session's role, settings and locks would be lost, or be another's",
            "point EVENTFLOW_DATABASE_URL at the server itself or at the pooler in session mode (Supabase: port 5432)",
        )
    return Outcome("ok", "one in session mode" if between else "none")


def _process(connection: "psycopg.Connection[Any]") -> int:
    (process,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return int(process)


def clock(database: Database) -> Outcome:
    with plain_connection(database) as connection:
        before, started = datetime.now(UTC), time.monotonic()
        # As a number: nothing is set here, and the text of a time depends on DateStyle.
        asked = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        took = timedelta(seconds=time.monotonic() - started)
    theirs = datetime.fromtimestamp(float(asked[0]), UTC) if asked else before
    return compare_clocks(theirs - (before + took / 2), took)


def compare_clocks(ahead: timedelta, took: timedelta) -> Outcome:
    """``ahead``: by how much the database's clock is before this machine's, give or take half of ``took``."""
    off = max(abs(ahead) - took / 2, timedelta(0))
    if off < SKEW_TO_WATCH:
        return Outcome("ok", "the database's agrees with this machine's")
    message = (
        f"the database's is {lasting(abs(ahead))} {'ahead of' if ahead > timedelta(0) else 'behind'} this machine's"
    )
    remedy = "set both by NTP: ticks go by this machine's clock, facts by the database's"
    return Outcome("fail" if off >= SKEW_TOO_FAR else "warn", message, remedy)
