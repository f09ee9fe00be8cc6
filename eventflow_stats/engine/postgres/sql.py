"""Loads the SQL files, from a checkout or an installed wheel."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError


def shipped(*path: str) -> Traversable:
    """A file or folder that is shipped with the package: ``sql/...``, ``dagster.yaml``, ``workspace.yaml``.

    A wheel has them inside the package, a checkout at its top level.
    """
    package = files("eventflow_stats")
    inside = package.joinpath("shipped", *path)
    if inside.is_file() or inside.is_dir():
        return inside
    return package.joinpath("..", *path)


@cache
def query(name: str) -> TextClause:
    """The statement of ``sql/queries/<name>.sql``, with ``:named`` parameters.

    Raises:
        FileNotFoundError: there is no query of that name.
    """
    return text(shipped("sql", "queries", f"{name}.sql").read_text(encoding="utf-8"))


def execute_script(connection: Connection, statements: str) -> None:
    """Execute the text of several statements, without parameters; errors are SQLAlchemy's, as of ``query``."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statements)
    except psycopg.Error as error:
        raise DBAPIError.instance(statements, None, error, psycopg.Error) from error
    finally:
        cursor.close()
