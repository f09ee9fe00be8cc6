"""Bring a database to the schema of ``sql/migrations``: numbered plain SQL files, run by Alembic.

Alembic orders the files, tracks them in ``eventflow_stats.schema_version`` and writes that row in the
file's own transaction. A file that starts with ``-- transactional: no`` runs statement by statement
outside one (``CREATE INDEX CONCURRENTLY``) and is written to be safe to run again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import psycopg
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime.migration import RevisionStep
from alembic.script import Script
from alembic.script.revision import RevisionMap
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.product_schema import check_product_schema
from eventflow_stats.engine.sql import query, shipped
from eventflow_stats.errors import Refused

LOCK_TIMEOUT = "10s"
"""How long a migration waits for a lock: a product's writers queue behind it no longer than this."""


def migration_names() -> list[str]:
    """The names of all migrations, oldest first (the file names without ``.sql``)."""
    folder = shipped("sql", "migrations")
    return sorted(item.name.removesuffix(".sql") for item in folder.iterdir() if item.name.endswith(".sql"))


def applied_migration(database: Database) -> str | None:
    """The newest migration the database has; None before the first.

    Raises:
        Refused: no connection.
    """
    with database.login_session() as connection:
        return _context(connection, lambda *_: []).get_current_revision()


def migrate(database: Database, until: str | None = None) -> list[str]:
    """Apply every missing migration, oldest first, up to and including ``until`` (default: all).

    Returns the names of those applied; an empty list when there was nothing to do. Two at once wait
    for each other. A failure leaves the migrations before it, whole.

    Raises:
        Refused: the product's tables are missing or of another shape, a permission is missing, a
            table stayed locked, or the database was migrated with another bucket time zone.
    """
    names = migration_names()
    wanted = names[: names.index(until) + 1] if until else names
    applied: list[str] = []
    with database.login_session() as connection, _only_migrator(connection):
        context = _context(connection, lambda heads, _context: _missing(heads, wanted, applied))
        current = context.get_current_revision()
        if current is not None and current not in names:
            raise Refused(f"the database has migration {current}, which this version does not know; upgrade")
        if current is not None:
            database.check_deployment(connection)
        # The version table lives in the engine's schema, which the first migration lays; until then
        # nothing may be changed, so that a database that is refused stays as it was.
        if current is None:
            check_product_schema(connection)
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS eventflow_stats"))
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(
            text("SELECT set_config('eventflow_stats.bucket_timezone', :zone, false)"),
            {"zone": database.settings.bucket_timezone},
        )
        connection.commit()
        try:
            with Operations.context(context):
                context.run_migrations()
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise Refused(
                    f"a table stayed locked for {LOCK_TIMEOUT} while migrating; nothing of that migration "
                    "was kept, try again when fewer transactions are open"
                ) from error
            raise
    return applied


def _context(connection: Connection, steps: Callable[..., Any]) -> MigrationContext:
    return MigrationContext.configure(
        connection,
        opts={
            "fn": steps,
            "transaction_per_migration": True,
            "version_table": "schema_version",
            "version_table_schema": "eventflow_stats",
        },
    )


def _missing(heads: tuple[str, ...], wanted: list[str], applied: list[str]) -> Iterator[RevisionStep]:
    """Alembic's steps from the database's revision to the last wanted one, made from SQL files."""
    revisions = RevisionMap(
        lambda: [_script(name, before) for before, name in zip([None, *wanted[:-1]], wanted, strict=True)]
    )
    current = heads[0] if heads else None
    for name in wanted[wanted.index(current) + 1 if current in wanted else 0 :]:
        yield RevisionStep(revisions, cast(Script, revisions.get_revision(name)), is_upgrade=True)
        applied.append(name)


def _script(name: str, before: str | None) -> Script:
    module = ModuleType(name)
    vars(module).update(vars(SimpleNamespace(revision=name, down_revision=before, upgrade=lambda **_: _run_file(name))))
    return Script(module, name, f"sql/migrations/{name}.sql")


def _run_file(name: str) -> None:
    from alembic import op

    statements = shipped("sql", "migrations", f"{name}.sql").read_text(encoding="utf-8")
    context = op.get_context()
    connection = op.get_bind()
    if not statements.startswith("-- transactional: no"):
        _execute(connection, statements)
        return
    with context.autocommit_block():
        # An interrupted CREATE INDEX CONCURRENTLY leaves an invalid index that IF NOT EXISTS would keep.
        _execute(connection, str(query("drop_invalid_fact_indexes")))
        for statement in statements.split(";\n"):
            _execute(connection, statement)


def _execute(connection: Connection, statements: str) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statements)
    except psycopg.Error as error:
        raise DBAPIError.instance(statements, None, error, psycopg.Error) from error
    finally:
        cursor.close()


@contextmanager
def _only_migrator(connection: Connection) -> Iterator[None]:
    """One migrator per database at a time; the lock goes with the session if it is killed."""
    connection.execute(text("SELECT pg_advisory_lock(hashtext('eventflow_stats.migrate'))"))
    connection.commit()
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(hashtext('eventflow_stats.migrate'))"))
            connection.commit()
