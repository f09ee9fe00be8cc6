"""The way to the database: whether it answers, what stands between, how old it is, what its clock says.

Made on a connection that sets nothing: behind a pooler that hands out sessions by the transaction, a setting would
stay in a session that the next client gets.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from eventflow_stats.engine.database import OLDEST_SERVER, Database, connection_string, readable_url
from eventflow_stats.engine.doctor.finding import Finding, Verdict, look, not_looked_at
from eventflow_stats.engine.logins import CONNECT_SECONDS, ENCODING, check_encoding
from eventflow_stats.errors import Refused
from eventflow_stats.words import lasting

AREA = "connection"
NO_DATABASE = "the database cannot be asked, see connection"
SKEW_TO_WATCH = timedelta(seconds=5)
SKEW_TOO_FAR = timedelta(minutes=5)


def examine_connection(database: Database) -> list[Finding]:
    """How the way to the database stands; where one failed, the clock apart, nothing more is to be asked of it."""
    answer = look(AREA, "database", lambda: answers(database))
    if answer.state == "fail":
        return [answer, *(not_looked_at(AREA, name, NO_DATABASE) for name in ("server", "encoding", "pooler", "clock"))]
    return [
        answer,
        look(AREA, "server", lambda: server(database)),
        look(AREA, "encoding", lambda: encoding(database)),
        look(AREA, "pooler", lambda: pooler(database)),
        look(AREA, "clock", lambda: clock(database)),
    ]


def plain_connection(database: Database) -> "psycopg.Connection[Any]":
    """A connection of the URL's own user that nothing was set in."""
    return psycopg.connect(
        connection_string(database.url),
        prepare_threshold=None,
        connect_timeout=CONNECT_SECONDS,
        client_encoding=ENCODING,
    )


def answers(database: Database) -> Verdict:
    where = readable_url(database.url)
    try:
        with plain_connection(database) as connection:
            user = connection.info.user
    except psycopg.Error as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Verdict("fail", f"no connection to {where}: {line}", "check EVENTFLOW_DATABASE_URL and the server")
    return Verdict("ok", f"{where} answers user {user}")


def server(database: Database) -> Verdict:
    with plain_connection(database) as connection:
        version = connection.info.server_version
    told = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version < OLDEST_SERVER:
        return Verdict("fail", f"{told}; 15 or newer is needed", "upgrade the server")
    return Verdict("ok", told)


def encoding(database: Database) -> Verdict:
    with plain_connection(database) as connection:
        try:
            check_encoding(connection, readable_url(database.url))
        except Refused as error:
            return Verdict("fail", *str(error).split("; ", 1))
    return Verdict("ok", ENCODING)


def pooler(database: Database) -> Verdict:
    """Two sessions side by side: a pooler in transaction mode gives the second the first one's process."""
    with plain_connection(database) as first, plain_connection(database) as second:
        process = _process(first)
        first.commit()
        _process(second)
        moved = _process(first) != process
        between = process != first.info.backend_pid
    if moved:
        return Verdict(
            "fail",
            "a pooler in transaction mode: a session's role, settings and locks would be lost, or be another's",
            "point EVENTFLOW_DATABASE_URL at the server itself or at the pooler in session mode (Supabase: port 5432)",
        )
    return Verdict("ok", "one in session mode" if between else "none")


def _process(connection: "psycopg.Connection[Any]") -> int:
    (process,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return int(process)


def clock(database: Database) -> Verdict:
    with plain_connection(database) as connection:
        before, started = datetime.now(UTC), time.monotonic()
        # As a number: nothing is set here, and the text of a time depends on DateStyle.
        asked = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
        took = timedelta(seconds=time.monotonic() - started)
    theirs = datetime.fromtimestamp(float(asked[0]), UTC) if asked else before
    return judge_clocks(theirs - (before + took / 2), took)


def judge_clocks(ahead: timedelta, took: timedelta) -> Verdict:
    """``ahead``: by how much the database's clock is before this machine's, give or take half of ``took``."""
    off = max(abs(ahead) - took / 2, timedelta(0))
    if off < SKEW_TO_WATCH:
        return Verdict("ok", "the database's agrees with this machine's")
    told = f"the database's is {lasting(abs(ahead))} {'ahead of' if ahead > timedelta(0) else 'behind'} this machine's"
    remedy = "set both by NTP: ticks go by this machine's clock, facts by the database's"
    return Verdict("fail" if off >= SKEW_TOO_FAR else "warn", told, remedy)
