"""A process that rebuilds, refreshes or repairs without end, until a test kills it."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats.settings import Settings
from eventflow_stats_tests.scenarios.traffic import DAYS


def _rebuild(database: Database) -> None:
    list(rebuild(database, DAYS))


def _refresh(database: Database) -> None:
    detect(database)
    list(sweep(database, DAYS))
    list(refresh(database, DAYS))


def _repair(database: Database) -> None:
    list(refresh(database, DAYS, "repair", "wrong"))
    list(verify(database, DAYS, only_unverified=True))


OPERATIONS: dict[str, Callable[[Database], None]] = {"rebuild": _rebuild, "refresh": _refresh, "repair": _repair}


def work(url: str, operation: str, message: Connection) -> None:
    """Repeat the operation. Send "begins" before and "done" after each time, and the engine's error when it fails."""
    database = Database(url, Settings())
    try:
        while True:
            message.send("begins")
            OPERATIONS[operation](database)
            message.send("done")
    except EventflowError as error:
        message.send(str(error))


def start_worker(database: Database, operation: str) -> tuple[Any, Connection]:
    """Start a process that repeats the operation; returns it and the connection on which it reports.

    It is forked from a server that has imported everything, so that it starts to work at once.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    ours, theirs = processes.Pipe(duplex=False)
    url = database.url.render_as_string(hide_password=False)
    worker = processes.Process(target=work, args=(url, operation, theirs))
    worker.start()
    theirs.close()
    return worker, ours
