"""The one loader of SQL files, from a checkout and from an installed wheel alike."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from sqlalchemy import TextClause, text


def shipped(*path: str) -> Traversable:
    """A file or folder that travels with the package: ``sql/...``, ``dagster.yaml``, ``workspace.yaml``.

    A wheel carries them inside the package; a checkout has them at its top level.
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
