"""Reading facts so that a policy can hide none."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Unverifiable


@contextmanager
def reading_facts(connection: Connection) -> Iterator[None]:
    """Around the statements of a transaction that read facts: PostgreSQL raises an error where a policy of row-level
    security would leave rows out. Not for the rollup, which the engine itself reads under a policy.

    Raises:
        Unverifiable: facts would be hidden.
    """
    connection.execute(query("rebuild/row_security_off"))
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            line = error.orig.diag.message_primary or str(error.orig)
            raise Unverifiable(
                ["nothing hidden"],
                f"nothing hidden: {line} (let the owner of the views eventflow_stats.* read every fact)",
            ) from error
        raise
    connection.execute(query("rebuild/row_security_on"))
