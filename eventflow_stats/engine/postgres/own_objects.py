"""The views and functions of ours: made from ``sql/functions``, and made again when one is not as it was left.

The files can run at any time and end in the same objects. They run together, in the order of their names, in one
transaction: when their text changed, when an object is missing or changed or has another owner, or when a view reads
another table than the one that has the product's name now. A view or function that they no longer make is dropped.
"""

import hashlib
import re

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.product_schema import check_product_schema
from eventflow_stats.engine.postgres.sql import execute_script, query, shipped
from eventflow_stats.errors import Refused

Line = tuple[str, str]
"""Kind and text of something in the catalog."""
GUARDS = ("triggers", "policies")
"""Kinds of such lines that no assumption looks at, and that the files make, too."""
FIRST_FILES = 2
"""Schema and roles, and the view of present objects: what the question after wrong owners needs."""


def make_schema_and_roles(connection: Connection) -> None:
    """Make the schema that the first migration needs, and the roles; commits the caller's transaction.

    Raises:
        DBAPIError: a right is missing; nothing was changed.
    """
    execute_script(connection, function_files()[0])
    connection.commit()


def make_own_objects(connection: Connection) -> list[str]:
    """Make views, functions, triggers and policies again if one is not as ``migrate`` left it; commits.

    Returns a line for each reason and for what was dropped; empty: nothing to do, and nothing was changed.

    Raises:
        Refused: the product's tables are not of the shape that the views need, or an object belongs to somebody else.
    """
    files = function_files()
    digest = hashlib.sha256("".join(files).encode()).hexdigest()
    reasons = _reasons(connection, digest)
    connection.commit()
    if not reasons:
        return []
    check_product_schema(connection)
    for statements in files[:FIRST_FILES]:
        execute_script(connection, statements)
    _put_owners_right(connection, files)
    for statements in files[FIRST_FILES:]:
        execute_script(connection, statements)
    dropped = _drop_objects_without_file(connection)
    connection.execute(query("schema/record_own_objects"))
    connection.execute(query("schema/record_functions_digest"), {"digest": digest})
    connection.commit()
    return [*(f"made again ({reason})" for reason in reasons), *(f"dropped {names}" for names in dropped)]


def drop_views(connection: Connection) -> list[str]:
    """Drop the views that read the product's tables, so that the product can change a column; commits.

    Returns their names. Until ``migrate`` makes them again nothing is computed or verified.

    Raises:
        Refused: something else in the database reads one of them.
    """
    names = list(connection.scalars(query("schema/views_of_product_tables")))
    if names:
        _execute_or_name_dependents(connection, f"DROP VIEW {', '.join(names)}")
    connection.commit()
    return names


def function_files() -> list[str]:
    """The texts of ``sql/functions``, in the order in which they run."""
    folder = shipped("sql", "functions")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return [file.read_text(encoding="utf-8") for file in files]


def left_by_migrations() -> set[Line]:
    """What ``migrate`` leaves, as sql/migrations/laid.txt has it."""
    lines = shipped("sql", "migrations", "laid.txt").read_text(encoding="utf-8").splitlines()
    return {(kind, line) for kind, _, line in (line.partition("\t") for line in lines)}


def catalog_lines(connection: Connection) -> list[Line]:
    """What the database has of ours."""
    # Whatever the login looks through first, a name is written with its schema.
    connection.execute(text("SET LOCAL search_path = pg_catalog"))
    return [(row.kind, row.line) for row in connection.execute(query("schema/what_is_laid"))]


def _reasons(connection: Connection, digest: str) -> list[str]:
    if connection.scalar(query("schema/functions_digest")) != digest:
        return ["views and functions of this version"]
    reasons = [
        *connection.scalars(query("assumptions/same_table")),
        *connection.scalars(query("assumptions/own_objects")),
    ]
    missing = left_by_migrations() - set(catalog_lines(connection))
    lines = sorted(line for kind, line in missing if kind in GUARDS)
    return reasons or [f"missing or changed: {line}" for line in lines]


def _put_owners_right(connection: Connection, files: list[str]) -> None:
    """Give views and functions back to their owners, or drop a view that may not be given: the files make it again."""
    wrong = connection.execute(query("schema/wrong_owners"), {"of_the_reader": functions_of_the_reader(files)}).all()
    stuck = [row for row in wrong if row.statement is None]
    if stuck:
        raise Refused(
            f"{'; '.join(row.found for row in stuck)}; as a superuser: {'; '.join(row.remedy for row in stuck)}"
        )
    if wrong:
        # The new owner must be able to create in the schema; the files take this back.
        connection.execute(text("GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader"))
    for row in wrong:
        _execute_or_name_dependents(connection, row.statement)


def _drop_objects_without_file(connection: Connection) -> list[str]:
    without_file = connection.execute(query("schema/objects_without_file")).all()
    for row in without_file:
        _execute_or_name_dependents(connection, row.statement)
    return [row.names for row in without_file]


def functions_of_the_reader(files: list[str]) -> list[str]:
    """The functions that the files make as role eventflow_stats_reader: those that must not run as anybody else."""
    as_reader = re.findall(r"^SET ROLE eventflow_stats_reader;$(.*?)^RESET ROLE;$", "\n".join(files), re.S | re.M)
    return [name for part in as_reader for name in re.findall(r"^CREATE OR REPLACE FUNCTION (\S+?)\(", part, re.M)]


def _execute_or_name_dependents(connection: Connection, statement: str) -> None:
    try:
        connection.execute(text(statement))
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.DependentObjectsStillExist):
            raise
        found = error.orig.diag
        detail = "; ".join((found.message_detail or "").splitlines())
        raise Refused(f"{found.message_primary} ({detail}); drop what depends on it first") from error
