"""EventFlow's own tables on an empty local database, so that the engine has something to read."""

from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.product_schema import has_product_tables, is_empty
from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats.errors import Refused

LOCAL_AUTHOR = "00000000-0000-4000-8000-000000000001"
"""The profile that stands as the author of imported and made-up campaigns (sql/product)."""
LOCAL_MARK = "Laid by eventflow-stats on an empty database; its facts are local ones."


def create_product_tables(database: Database) -> bool:
    """Lay EventFlow's tables, roles and auth functions; False when this database has them already.

    One transaction. The schema is marked as local: only such a database takes imported or made-up facts.

    Raises:
        Refused: the database holds something else; nothing was changed.
    """
    with database.login_session() as connection:
        if has_product_tables(connection):
            return False
        if not is_empty(connection):
            raise Refused(
                "EventFlow's tables are laid only on an empty database; this one has something of its "
                "own, and lacks EventFlow's"
            )
        cursor = connection.connection.cursor()
        for file in sorted(shipped("sql", "product").iterdir(), key=lambda item: item.name):
            cursor.execute(file.read_text(encoding="utf-8"))
        cursor.execute(f"COMMENT ON SCHEMA auth IS '{LOCAL_MARK}'")
        connection.commit()
    return True


def is_local(database: Database) -> bool:
    """Whether this project laid the product's tables."""
    with database.login_session() as connection:
        mark = connection.scalar(text("SELECT obj_description(to_regnamespace('auth'), 'pg_namespace')"))
    return bool(mark == LOCAL_MARK)


def require_local_facts(database: Database) -> None:
    """Refuse to write facts into a database whose product tables this project did not lay.

    Facts are EventFlow's; the project this replaces once destroyed 84 real participants by hand.

    Raises:
        Refused: the product's tables are not marked as local.
    """
    if not is_local(database):
        raise Refused(
            "this database's facts are EventFlow's own: importing or making up facts is only for a "
            "database laid by eventflow-stats (`eventflow-stats migrate --with-product-tables`)"
        )
