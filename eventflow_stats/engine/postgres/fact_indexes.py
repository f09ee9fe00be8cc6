"""Builds our BRIN indexes on the product's fact tables, ordinary or partitioned, without blocking the product."""

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.sql import execute_script, query
from eventflow_stats.errors import Failed

ROUNDS = 10
"""How often to ask for missing indexes: partitions may come and go while others get their indexes."""
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject)


def build_fact_indexes(connection: Connection) -> list[str]:
    """Build our missing indexes, and rebuild those that an interrupted build left invalid; needs autocommit.

    A partitioned table gets an index to which those of its partitions are attached, so that PostgreSQL itself gives
    one to every partition that is added later. Returns the statements that ran; an empty list: nothing to do.

    Raises:
        Failed: an index was still missing after many rounds.
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
    raise Failed(f"indexes on fact tables are still missing after {statements[0]}; try again")
