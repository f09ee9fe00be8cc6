"""A damaged disk: random bytes over one page of a table, in the server's own files.

Pages that a server holds in memory are not read again. So the page is damaged in a copy of a database that nobody has
opened yet.
"""

import random
from pathlib import Path

import psycopg
from psycopg import sql

from eventflow_stats_tests.conftest import Cluster, name_of

PAGE = 8192


def damaged_copy(cluster: Cluster, original: str, table: str, block: int) -> str:
    """The URL of a copy of a database in which that page of that table, or index, is random bytes."""
    with psycopg.connect(original, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        (path,) = connection.execute("SELECT pg_relation_filepath(%s::regclass)", [table]).fetchone() or ("",)
    copy = cluster.create()
    cluster.drop(copy)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY = file_copy").format(
                sql.Identifier(name_of(copy)), sql.Identifier(name_of(original))
            )
        )
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        (oid,) = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [name_of(copy)]).fetchone() or (
            0,
        )
    with (Path(folder) / "base" / str(oid) / Path(path).name).open("r+b") as pages:
        pages.seek(block * PAGE)
        pages.write(random.Random(1).randbytes(PAGE))
    return copy
