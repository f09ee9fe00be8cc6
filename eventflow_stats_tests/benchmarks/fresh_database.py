"""A server and a migrated database for one benchmark, deleted at its end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings


@cache
def _until_exit() -> Path:
    """Return a folder that is deleted at the end of the process: the server's wheel writes a lock file until then."""
    _folders.append(tempfile.TemporaryDirectory(prefix="eventflow-benchmark-"))
    return Path(_folders[0].name)


_folders: list["tempfile.TemporaryDirectory[str]"] = []


@contextmanager
def fresh_database() -> Iterator[Database]:
    """Yield a migrated database with the product's tables and no facts, on an embedded server in a temporary folder.

    Settings of the engine's session come from the environment (EVENTFLOW_WORK_MEM). Days are in UTC.
    """
    with (
        tempfile.TemporaryDirectory(dir=_until_exit()) as folder,
        embedded_server(Path(folder)) as url,
    ):
        database = Database(url, Settings(bucket_timezone="UTC"))
        create_product_tables(database)
        migrate(database)
        yield database
