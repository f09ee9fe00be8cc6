"""Creates our views and functions from ``sql/functions``, and creates them again when one was changed.

The files can run at any time with the same result. They run together in one transaction, in the order of their names:
when their text changed, when an object is missing, was changed or has another owner, or when a product table was
replaced, so that a view reads the old one. A view or function that no file creates any more is dropped.
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
"""Kinds of lines that the files create and that no assumption checks."""
FIRST_FILES = 2
"""Schema, roles and view present_objects: the query for wrong owners needs them."""


def make_schema_and_roles(connection: Connection) -> None:
    """Create the schema that the first migration needs, and the roles; commits the caller's transaction.

    Raises:
        DBAPIError: a right is missing; nothing was changed.
    """
    execute_script(connection, function_files()[0])
    connection.commit()


def make_own_objects(connection: Connection) -> list[str]:
    """Create views, functions, triggers and policies again if one is not as ``migrate`` left it; commits.

    Returns a line for each reason and each dropped object; an empty list: nothing to do, and nothing was changed.

    Raises:
        Refused: the product's tables lack something that the views need, or an object belongs to another role.
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
    _restore_owners(connection, files)
    for statements in files[FIRST_FILES:]:
        execute_script(connection, statements)
    dropped = _drop_objects_without_file(connection)
    connection.execute(query("schema/record_own_objects"))
    connection.execute(query("schema/record_functions_digest"), {"digest": digest})
    connection.commit()
    return [*(f"made again ({reason})" for reason in reasons), *(f"dropped {names}" for names in dropped)]


def drop_views(connection: Connection) -> list[str]:
    """Drop the views that read the product's tables, so that the product can change a column; commits.

    Returns their names. Nothing is computed or verified until ``migrate`` creates them again.

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
    """Everything that ``migrate`` leaves, as listed in sql/migrations/laid.txt."""
    lines = shipped("sql", "migrations", "laid.txt").read_text(encoding="utf-8").splitlines()
    return {(kind, line) for kind, _, line in (line.partition("\t") for line in lines)}


def catalog_lines(connection: Connection) -> list[Line]:
    """Everything of ours in the database."""
    # So that every name is written with its schema, whatever search_path the login has.
    connection.execute(text("SET LOCAL search_path = pg_catalog"))
    return [(row.kind, row.line) for row in connection.execute(query("schema/catalog_lines"))]


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


def _restore_owners(connection: Connection, files: list[str]) -> None:
    """Give views and functions back to their owners; drop views that cannot be given, which the files create again."""
    wrong = connection.execute(query("schema/wrong_owners"), {"of_the_reader": functions_of_the_reader(files)}).all()
    stuck = [row for row in wrong if row.statement is None]
    if stuck:
        raise Refused(
            f"{'; '.join(row.found for row in stuck)}; as a superuser: {'; '.join(row.remedy for row in stuck)}"
        )
    if wrong:
        # The new owner must be able to create in the schema; the files revoke this.
        connection.execute(text("GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader"))
    for row in wrong:
        _execute_or_name_dependents(connection, row.statement)


def _drop_objects_without_file(connection: Connection) -> list[str]:
    without_file = connection.execute(query("schema/objects_without_file")).all()
    for row in without_file:
        _execute_or_name_dependents(connection, row.statement)
    return [row.names for row in without_file]


def functions_of_the_reader(files: list[str]) -> list[str]:
    """The functions that the files create as role eventflow_stats_reader, and that must not run as another role."""
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
