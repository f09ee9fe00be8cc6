"""A migrated database whose tables and views belong to an ordinary user, as in production, not to a superuser."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster, name_of


def create_owner(cluster: Cluster, url: str) -> str:
    """Create a user who owns the database, may log in and use the engine's roles, and is no superuser; returns its
    name. The first migrated database has created the roles, which belong to the server."""
    cluster.drop(cluster.migrated("UTC"))
    name = f"owner_{uuid4().hex[:8]}"
    owner = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "CREATE ROLE {} LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS",
            "GRANT eventflow_stats_engine, eventflow_stats_reader TO {} WITH ADMIN OPTION",
            "ALTER SCHEMA public OWNER TO {}",
        ):
            connection.execute(sql.SQL(statement).format(owner))
        database = sql.Identifier(name_of(url))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner))
    return name


def own_product_tables(url: str, owner: str) -> None:
    """Give every product table to the owner, with the rights that it needs in schema auth."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            statement = sql.SQL("ALTER TABLE public.{} OWNER TO {}")
            connection.execute(statement.format(sql.Identifier(table), sql.Identifier(owner)))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA auth TO {} WITH GRANT OPTION").format(sql.Identifier(owner)))


def url_of(url: str, user: str) -> str:
    """The URL of the same database for that user."""
    _, _, rest = url.partition("@")
    return f"postgresql://{user}:@{rest}"


@pytest.fixture
def owned_database(cluster: Cluster) -> Iterator[Database]:
    """A migrated database whose tables and views belong to an ordinary user, as in production, not to a superuser."""
    url = cluster.create()
    owner = create_owner(cluster, url)
    create_product_tables(Database(url, Settings()))
    own_product_tables(url, owner)
    database = Database(url_of(url, owner), Settings(lock_timeout=2))
    migrate(database)
    yield database
    cluster.drop(url)
    # The role belongs to the server, and other tests check who may act for the engine.
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))
