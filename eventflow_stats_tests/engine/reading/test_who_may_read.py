"""Who reads the rollup: members their clients, the service all clients, other roles nothing; and none of them
writes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, rows, run
from eventflow_stats_tests.engine.reading.three_clients import (
    AGENCY,
    AGENCY_ROLES,
    CAFE,
    GYM,
    OTHER_AGENCY,
    OUR_TABLES,
    OUR_VIEWS,
    PRODUCT_TABLES,
    ROLES,
    ROLLUP,
    SHOP,
    user,
    writes,
)


@contextmanager
def request(database: Database, role: str, sub: str | None = None) -> Iterator["psycopg.Connection[Any]"]:
    """A request as Supabase makes it: the role, and the claims of the token."""
    with connect(database) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        claims = json.dumps({"role": role} | ({"sub": sub} if sub else {}))
        connection.execute("SELECT set_config('request.jwt.claims', %s, false)", [claims])
        yield connection


def clients_read(database: Database, role: str, sub: str | None = None) -> list[str]:
    with request(database, role, sub) as connection:
        found = connection.execute("SELECT client_id::text FROM public.marketing_stats_daily ORDER BY 1")
        return [client for (client,) in found.fetchall()]


def assert_denied(connection: "psycopg.Connection[Any]", statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_only_the_engine_writes_the_rollup(shops: Database, role: str) -> None:
    before = everything_in(shops)
    with request(shops, role, user("owner", SHOP)) as connection:
        for statement in writes(ROLLUP, "visits"):
            assert_denied(connection, statement)
        assert_denied(
            connection,
            f"INSERT INTO {ROLLUP} (id, client_id, bucket_date) VALUES ('{SHOP}', '{SHOP}', '2026-02-02')",
        )
        assert_denied(connection, f"UPDATE {ROLLUP} SET visits = 9 WHERE client_id = '{SHOP}'")
        assert_denied(connection, f"DELETE FROM {ROLLUP} WHERE client_id = '{SHOP}'")
    assert everything_in(shops) == before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("client", [SHOP, CAFE, GYM])
def test_a_member_reads_only_the_own_client(shops: Database, client: str, role: str) -> None:
    assert clients_read(shops, "authenticated", user(role, client)) == [client]


@pytest.mark.parametrize("role", AGENCY_ROLES)
def test_an_agency_member_reads_every_client_of_the_agency(shops: Database, role: str) -> None:
    assert clients_read(shops, "authenticated", user(role, AGENCY)) == [SHOP, CAFE]
    assert clients_read(shops, "authenticated", user(role, OTHER_AGENCY)) == [GYM]


def test_a_member_of_a_client_and_of_another_agency_reads_both(shops: Database) -> None:
    run(shops, f"INSERT INTO client_members VALUES ('{GYM}', '{user('owner', AGENCY)}', 'member')")
    assert clients_read(shops, "authenticated", user("owner", AGENCY)) == [SHOP, CAFE, GYM]


def test_an_unknown_agency_role_reads_nothing(shops: Database) -> None:
    run(
        shops,
        f"""ALTER TABLE agency_members DROP CONSTRAINT agency_members_role_check;
        INSERT INTO agency_members VALUES ('{AGENCY}', '{user("member", AGENCY)}', 'viewer')""",
    )
    assert clients_read(shops, "authenticated", user("member", AGENCY)) == []


def test_a_former_member_reads_nothing(shops: Database) -> None:
    run(shops, f"DELETE FROM client_members WHERE user_id = '{user('owner', SHOP)}'")
    assert clients_read(shops, "authenticated", user("owner", SHOP)) == []


def test_strangers_read_nothing(shops: Database) -> None:
    assert clients_read(shops, "authenticated", "dddddddd-0000-0000-0000-000000000000") == []
    assert clients_read(shops, "authenticated") == []


def test_anonymous_requests_read_nothing(shops: Database) -> None:
    with request(shops, "anon", user("owner", SHOP)) as connection:
        assert_denied(connection, f"SELECT FROM {ROLLUP}")


def test_the_service_reads_every_client(shops: Database) -> None:
    assert clients_read(shops, "service_role") == [SHOP, CAFE, GYM]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_views_and_ledger_are_closed_to_requests(shops: Database, role: str) -> None:
    with request(shops, role, user("owner", SHOP)) as connection:
        for name in (*OUR_TABLES, *OUR_VIEWS):
            assert_denied(connection, f"SELECT FROM eventflow_stats.{name}")
        # Closed twice: the schema, and every relation in it, in case the schema is opened.
        run(shops, f"GRANT USAGE ON SCHEMA eventflow_stats TO {role}")
        for name in (*OUR_TABLES, *OUR_VIEWS):
            assert_denied(connection, f"SELECT FROM eventflow_stats.{name}")
        for name in OUR_TABLES:
            assert_denied(connection, f"DELETE FROM eventflow_stats.{name}")


def test_every_relation_of_ours_is_named_in_these_tests(database: Database) -> None:
    found = rows(
        database,
        """SELECT relname FROM pg_class
        WHERE relnamespace = 'eventflow_stats'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')""",
    )
    assert {name for (name,) in found} == {*OUR_TABLES, *OUR_VIEWS}


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_product_tables_created_by_us_are_closed_to_requests(shops: Database, role: str) -> None:
    with request(shops, role, user("owner", SHOP)) as connection:
        for table in PRODUCT_TABLES:
            assert_denied(connection, f"SELECT FROM {table}")
            assert_denied(connection, f"DELETE FROM {table}")
