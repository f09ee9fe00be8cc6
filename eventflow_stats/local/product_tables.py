"""EventFlow's product tables in an empty local database, so that the engine has facts to read."""

from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.product_schema import has_product_tables, is_empty
from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats.errors import Refused

LOCAL_AUTHOR = "00000000-0000-4000-8000-000000000001"
"""The profile that is the author of imported and made-up campaigns (sql/product)."""
LOCAL_MARK = "its facts are local ones"
"""Part of the comment on schema auth, by which a database of this project is known."""


def create_product_tables(database: Database) -> bool:
    """Create EventFlow's tables, roles and auth functions in one transaction; False if the database has them already.

    The schema gets a mark: only a database with it takes imported or made-up facts.

    Raises:
        Refused: the database contains something else; nothing was changed.
    """
    with database.login_session() as connection:
        if has_product_tables(connection):
            return False
        if not is_empty(connection):
            raise Refused(
                "EventFlow's tables are created only on an empty database; this one contains something else, and lacks "
                "EventFlow's tables"
            )
        cursor = connection.connection.cursor()
        for file in sorted(shipped("sql", "product").iterdir(), key=lambda item: item.name):
            cursor.execute(file.read_text(encoding="utf-8"))
        cursor.execute(f"COMMENT ON SCHEMA auth IS 'eventflow-stats created this database; {LOCAL_MARK}'")
        connection.commit()
    return True


def is_local(database: Database) -> bool:
    """Whether this project created the product's tables."""
    with database.login_session() as connection:
        mark = connection.scalar(text("SELECT obj_description(to_regnamespace('auth'), 'pg_namespace')"))
    return LOCAL_MARK in (mark or "")


def require_local_facts(database: Database) -> None:
    """Refuse to write facts into a database whose product tables this project did not create.

    Facts belong to EventFlow. A manual clean-up in the system before this one once destroyed 84 real participants.

    Raises:
        Refused: the product's tables are not marked as local.
    """
    if not is_local(database):
        raise Refused(
            "this database's facts are EventFlow's own: facts are imported or made up only in a database that "
            "eventflow-stats created (`eventflow-stats migrate --with-product-tables`)"
        )
