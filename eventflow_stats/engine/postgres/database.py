"""Connections to PostgreSQL as the engine's role, with limited waiting and errors of one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from eventflow_stats.engine.postgres.database_errors import error_of_day, expected_error
from eventflow_stats.engine.postgres.logins import CONNECT_SECONDS, ENCODING, Logins, check_encoding, prepare_session
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import OtherTimezone, Refused
from eventflow_stats.settings import Settings

ENGINE_ROLE = "eventflow_stats_engine"
OLDEST_SERVER = 150000


def driver_url(url: str) -> URL:
    """The URL with the driver of this project (psycopg 3), whatever driver it names."""
    return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")


def connection_string(url: URL) -> str:
    """The URL as a connection string of libpq, which accepts every password. (libpq's error about a URL that it cannot
    read quotes the whole URL.)

    Raises:
        Refused: the URL has an option that PostgreSQL does not have.
    """
    options = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    try:
        return make_conninfo(**{**url.translate_connect_args(username="user", database="dbname"), **options})
    except psycopg.ProgrammingError as error:
        raise Refused(f"no connection to {readable_url(url)}: {str(error).strip()}") from None


def readable_url(url: URL) -> str:
    """The URL without its password, for messages."""
    host = url.host or str(url.query.get("host", "local socket"))
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{url.username or ''}@{host}{port}/{url.database}"


class Database:
    """One PostgreSQL database that holds the facts and the rollup.

    Sessions work in UTC and REPEATABLE READ, and as the engine's role except in ``login_session``. They never prepare
    statements: a generic plan could not remove the optional client filter. Settings of the database or the login have
    no effect on them (logins.py). ``read_only``: PostgreSQL refuses every write of its sessions.
    """

    def __init__(self, url: str, settings: Settings, *, read_only: bool = False) -> None:
        self.url = driver_url(url)
        self.settings = settings
        self.read_only = read_only
        self._logins = Logins(self.url, readable_url(self.url))
        self._as_engine = self._create_engine(ENGINE_ROLE)
        self._as_login = self._create_engine(None)

    def _create_engine(self, role: str | None) -> Engine:
        engine = create_engine(
            self.url,
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
            connect_args={
                "prepare_threshold": None,
                "application_name": "eventflow-stats",
                "connect_timeout": CONNECT_SECONDS,
                "client_encoding": ENCODING,
            },
        )
        session = {
            "work_mem": self.settings.work_mem,
            "lock_timeout": f"{self.settings.lock_timeout * 1000:.0f}",
            "statement_timeout": f"{self.settings.statement_timeout * 1000:.0f}",
        }
        if self.read_only:
            session["default_transaction_read_only"] = "on"

        @event.listens_for(engine, "do_connect")
        def connect(
            _dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]
        ) -> "psycopg.Connection[Any]":
            connection = self._logins.open(**parameters)
            try:
                check_encoding(connection, readable_url(self.url))
                prepare_session(connection, session, role, readable_url(self.url))
            except BaseException:
                connection.close()
                raise
            return connection

        return engine

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection as the engine's role, which reads facts and writes only the engine's tables.

        Raises:
            Unreachable: no connection, or it was lost.
            Refused: the login was refused, not migrated, another bucket time zone, or permission denied.
            ReadOnly: the database or its server cannot be written.
            Conflict: a deadlock, or another transaction changed a row meanwhile.
            Failed: a statement or lock timeout, a full disk, a damaged page.
        """
        with self.translated_errors(), self._as_engine.connect() as connection:
            self.check_deployment(connection)
            yield connection

    @contextmanager
    def login_session(self) -> Iterator[Connection]:
        """A connection as the URL's own user, for migrations and for loading local facts.

        Raises:
            Unreachable: no connection, or it was lost.
            Refused: the login was refused, the server is older than PostgreSQL 15, or permission denied.
        """
        with self.translated_errors(), self._as_login.connect() as connection:
            found = driver_connection(connection).info.server_version
            if found < OLDEST_SERVER:
                raise Refused(f"{readable_url(self.url)} is PostgreSQL {found // 10000}; 15 or newer is needed")
            yield connection

    def check_deployment(self, connection: Connection) -> None:
        """Check that the database was migrated with the bucket time zone of the settings.

        Raises:
            OtherTimezone: it was migrated with another one; the message names both.
        """
        zone = connection.scalar(query("schema/deployment_timezone"))
        connection.rollback()
        if zone != self.settings.bucket_timezone:
            raise OtherTimezone(
                f"setting EVENTFLOW_BUCKET_TIMEZONE is {self.settings.bucket_timezone!r}, but this database was "
                f"migrated with {zone!r}, and the days of its facts cannot change"
            )

    @contextmanager
    def translated_errors(self, connection: Connection | None = None) -> Iterator[None]:
        """Turn the driver's errors into ours; with the ``connection`` of one day's work, into errors of that day."""
        try:
            yield
        except (DBAPIError, psycopg.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            about = readable_url(self.url), self.settings.statement_timeout
            if connection is not None and isinstance(cause, psycopg.Error):
                lost = _is_lost(connection)
                raise error_of_day(cause, *about, lost, not lost and _is_read_only(connection)) from error
            expected = expected_error(cause, *about)
            if expected is None:
                raise
            raise expected from error


def driver_connection(connection: Connection) -> "psycopg.Connection[Any]":
    """The psycopg connection of a SQLAlchemy connection, for what SQLAlchemy does not offer (COPY)."""
    driver = connection.connection.driver_connection
    return cast("psycopg.Connection[Any]", driver)


def _is_lost(connection: Connection) -> bool:
    if connection.closed or connection.invalidated:
        return True
    return driver_connection(connection).broken


def _is_read_only(connection: Connection) -> bool:
    read_only = bool(connection.scalar(text("SHOW transaction_read_only")) == "on")
    connection.rollback()
    return read_only
