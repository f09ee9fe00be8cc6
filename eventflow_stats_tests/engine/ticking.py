"""The work of the engine as the schedules run it, and interruptions of it at a chosen statement."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, event

from eventflow_stats.engine.postgres.database import Database, driver_connection
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.status.due_work import stale_days
from eventflow_stats_tests.facts import connect


def tick(database: Database, sweeping: bool = True) -> None:
    """Do what the schedule every_five_minutes and the sensor late_facts do, until no day is stale."""
    detect(database)
    if sweeping:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        sweep_due_days(database, yesterday, date.max, at_once=True, seconds=60)
        sweep_due_days(database, date.min, yesterday - timedelta(days=1), at_once=False, seconds=60)
    refresh_stale(database)


def refresh_stale(database: Database) -> None:
    list(refresh(database, [day.bucket_date for day in stale_days(database, date.min, date.max)]))


def kill(database: Database, backend: int) -> None:
    """End a session of the engine, and wait until it has ended."""
    with connect(database) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 30000)", [backend])


@contextmanager
def at_statement(database: Database, number: int, happening: Callable[[int], None]) -> Iterator[None]:
    """Call ``happening`` once, just before the engine's statement or commit of this number, counted from 1, with the
    session that was about to run it."""
    seen = 0

    def count(connection: Connection, *_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            happening(driver_connection(connection).info.backend_pid)

    engine = database._as_engine
    for name in ("before_cursor_execute", "commit"):
        event.listen(engine, name, count)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(engine, name, count)
