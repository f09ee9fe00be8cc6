"""Makes PostgreSQL raise an error where a policy of row-level security would hide facts."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Unverifiable


@contextmanager
def reading_facts(connection: Connection) -> Iterator[None]:
    """Read facts in this part of a transaction: an error is raised where a policy would hide rows. The rollup cannot be
    read in it, because the engine itself reads that under a policy.

    Raises:
        Unverifiable: a policy would hide facts.
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
