"""Bring a database to the schema of ``sql/migrations``: numbered plain SQL files, run by Alembic.

Alembic orders the files, tracks them in ``eventflow_stats.schema_version`` and writes that row in the
file's own transaction. Views and functions can be created again and stand in ``sql/functions`` (own_objects.py);
the fact indexes are built outside transactions (fact_indexes.py). Both are looked at after the migrations.
"""

import time
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

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.fact_indexes import build_fact_indexes
from eventflow_stats.engine.postgres.own_objects import drop_views, make_own_objects, make_schema_and_roles
from eventflow_stats.engine.postgres.product_schema import check_product_schema
from eventflow_stats.engine.postgres.sql import execute_script, shipped
from eventflow_stats.errors import Failed, Refused

LOCK_TIMEOUT = "10s"
"""How long a migration waits for a lock: a product's writers queue behind it no longer than this."""
FIRST_STEP = "0025"
"""The number of the first migration after the baseline. A smaller number that is not in the baseline comes from a
version before it, a greater one from a version after this one."""
START_AGAIN = "DROP SCHEMA eventflow_stats CASCADE; DROP TABLE public.marketing_stats_daily"
"""What takes everything of ours out of a database, but roles and the indexes upon facts, which `migrate` uses again."""
ASK_AGAIN_SECONDS = 0.1
"""Between two questions whether another migrator is done."""


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
    """Bring the database to this version: migrations, then views and functions, then the fact indexes.

    Applies every missing migration, oldest first, up to and including ``until`` (default: all, and only then the rest).
    Returns the names of those applied, and a line for everything else that was made again; an empty list when there
    was nothing to do. Two at once wait for each other. A failure leaves the migrations before it, whole.

    Raises:
        Refused: the product's tables are missing or of another shape, a permission is missing, a
            table stayed locked, or the database was migrated with another bucket time zone.
    """
    names = migration_names()
    wanted = names[: names.index(until) + 1] if until else names
    applied: list[str] = []
    with _migrating(database) as connection:
        context = _context(connection, lambda heads, _context: _missing(heads, wanted, applied))
        current = context.get_current_revision()
        if current is not None and current not in names:
            raise Refused("; ".join(unknown_migration(database, current)))
        if current is None:
            check_product_schema(connection)
            make_schema_and_roles(connection)
        else:
            database.check_deployment(connection)
        connection.execute(
            text("SELECT set_config('eventflow_stats.bucket_timezone', :zone, false)"),
            {"zone": database.settings.bucket_timezone},
        )
        connection.commit()
        with Operations.context(context):
            context.run_migrations()
        return [*applied, *_make_the_rest(connection, bool(applied))] if wanted == names else applied


def unknown_migration(database: Database, current: str) -> tuple[str, str]:
    """What it means that a database has a migration that this version does not have, and the remedy."""
    if current >= FIRST_STEP:
        return (
            f"the database has migration {current}, which this version of eventflow-stats does not have",
            "install the version that migrated the database, or a newer one",
        )
    found = f"an earlier version of eventflow-stats made this database (migration {current}); it cannot be upgraded"
    if database.settings.database_url is None:
        folder = database.settings.data_dir.expanduser().resolve() / "postgres"
        return found, f"stop eventflow-stats, move folder {folder} away, import the facts again, backfill their days"
    return found, (
        f"start again, the facts stay: run `{START_AGAIN}` by psql as the owner of the tables, then `eventflow-stats "
        "migrate` and `eventflow-stats backfill --from DAY --to DAY`; first see what is lost (README, Start again)"
    )


def drop_product_views(database: Database) -> list[str]:
    """Drop our views of the product's tables, so that the product can change a column that they read.

    Returns their names. Nothing is computed or verified until ``migrate`` makes them again.

    Raises:
        Refused: as ``migrate``; or something else in the database reads one of the views.
    """
    with _migrating(database) as connection:
        if _context(connection, lambda *_: []).get_current_revision() is None:
            raise Refused("the database is not migrated: it has no views of ours")
        return drop_views(connection)


def _make_the_rest(connection: Connection, is_new: bool) -> list[str]:
    made = make_own_objects(connection)
    connection.execution_options(isolation_level="AUTOCOMMIT")
    built = build_fact_indexes(connection)
    # That a new version brings new functions and indexes goes without saying.
    return [] if is_new else [*made, *built]


@contextmanager
def _migrating(database: Database) -> Iterator[Connection]:
    """The one migrator's connection; its errors in one line."""
    with database.login_session() as connection, _only_migrator(connection, database.settings.lock_timeout):
        # A migration must see what was committed while it waited for a table's lock.
        connection.rollback()
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
        try:
            yield connection
        except DBAPIError as error:
            raise _message(error) or error from error


def _message(error: DBAPIError) -> Refused | Failed | None:
    if isinstance(error.orig, psycopg.errors.LockNotAvailable):
        return Refused(
            f"a table stayed locked for {LOCK_TIMEOUT} while migrating; what is left to do is done by the "
            "next `eventflow-stats migrate`, try it when fewer transactions are open"
        )
    missing = (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InvalidSchemaName,
    )
    if isinstance(error.orig, missing):
        # Elsewhere a table or column that is missing means "run migrate", which is what failed here.
        return Failed(
            f"a migration failed: {error.orig.diag.message_primary}; those before it stand, and something of "
            "another shape is in its way: `eventflow-stats doctor` names what differs"
        )
    return None


def _context(connection: Connection, steps: Callable[..., Any]) -> MigrationContext:
    return MigrationContext.configure(
        connection,
        opts={
            "fn": steps,
            "transaction_per_migration": True,
            "version_table": "schema_version",
            "version_table_schema": "eventflow_stats",
            # The first migration makes the version table. Alembic would make it before, outside of a transaction.
            "dont_mutate": True,
        },
    )


def _missing(heads: tuple[str, ...], wanted: list[str], applied: list[str]) -> Iterator[RevisionStep]:
    """Alembic's steps from the database's revision to the last wanted one, made from SQL files."""
    revisions = RevisionMap(
        lambda: [_script(name, before) for before, name in zip([None, *wanted[:-1]], wanted, strict=True)]
    )
    for name in wanted:
        # The names are numbered: what sorts before the database's own is in it.
        if heads and name <= heads[0]:
            continue
        yield RevisionStep(revisions, cast(Script, revisions.get_revision(name)), is_upgrade=True)
        applied.append(name)


def _script(name: str, before: str | None) -> Script:
    module = ModuleType(name)
    vars(module).update(vars(SimpleNamespace(revision=name, down_revision=before, upgrade=lambda **_: _run_file(name))))
    return Script(module, name, f"sql/migrations/{name}.sql")


def _run_file(name: str) -> None:
    from alembic import op

    execute_script(op.get_bind(), shipped("sql", "migrations", f"{name}.sql").read_text(encoding="utf-8"))


@contextmanager
def _only_migrator(connection: Connection, seconds: float) -> Iterator[None]:
    """One migrator per database at a time; the lock goes with the session if it is killed.

    Asks again and again instead of waiting inside one statement: that statement's snapshot would be
    waited for by the other's CREATE INDEX CONCURRENTLY, and neither would ever go on.
    """
    gives_up = time.monotonic() + seconds
    while not connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('eventflow_stats.migrate'))")):
        connection.rollback()
        if time.monotonic() > gives_up:
            raise Refused(
                f"another migration of this database was still under way after {seconds:g} s; "
                "nothing was changed, try it again"
            )
        time.sleep(ASK_AGAIN_SECONDS)
    connection.commit()
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(hashtext('eventflow_stats.migrate'))"))
            connection.commit()
