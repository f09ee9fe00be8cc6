"""Our BRIN indexes upon the product's fact tables, ordinary or partitioned: built without blocking the product."""

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.sql import execute_script, query
from eventflow_stats.errors import Failed

ROUNDS = 10
"""How often to look for what is left: partitions may come and go while the indexes of others are built."""
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject)


def build_fact_indexes(connection: Connection) -> list[str]:
    """Build what is missing of our indexes, again what an interrupted build left invalid; needs autocommit.

    A partitioned table gets an index that its partitions' are attached to, so that PostgreSQL itself gives one to
    every partition that is added later. Returns the statements that ran; empty: nothing to do.

    Raises:
        Failed: something was still missing after many rounds.
    """
    done: list[str] = []
    for _ in range(ROUNDS):
        statements = list(connection.scalars(query("schema/fact_indexes_to_build")))
        if not statements:
            return done
        for statement in statements:
            try:
                execute_script(connection, statement)
            except DBAPIError as error:
                if not isinstance(error.orig, _GONE):
                    raise
                continue
            done.append(statement)
    raise Failed(f"indexes upon fact tables are still missing: {statements[0]} did not help; try it again")
