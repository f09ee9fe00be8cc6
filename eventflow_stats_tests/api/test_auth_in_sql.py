"""A caller with a SQL session: objects and settings of the caller give no access to numbers of others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from eventflow_stats_tests.api.shop import COMPUTED, DAY, MISSING, Shop
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in
from eventflow_stats_tests.engine.reading.ask import STATEMENTS, ask, request

ROLLUP = "public.marketing_stats_daily"


@contextmanager
def listening(shop: Shop, user: UUID) -> Iterator[tuple["psycopg.Connection[Any]", list[str]]]:
    """Open a session of that user, with the notices of the user's own functions."""
    with request(shop.database, user) as session:
        notices: list[str] = []
        session.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        yield session, notices


def ask_all(session: "psycopg.Connection[Any]", shop: Shop, client: UUID) -> set[str]:
    """The result of every function and of the table, also for a day that is measured: answered, or the error's code."""
    outcomes = set()
    for function in (*STATEMENTS, "version", "explain"):
        try:
            if function == "version":
                session.execute("SELECT public.marketing_version(%s, %s, %s)", [client, *COMPUTED])
            elif function == "explain":
                session.execute("SELECT public.marketing_explain(%s, %s, link_id => %s)", [client, DAY, str(shop.link)])
            else:
                ask(session, function, client, MISSING, DAY, link=shop.link)
            outcomes.add("answered")
        except psycopg.Error as error:
            outcomes.add(str(error.sqlstate))
    session.execute(f"SELECT * FROM {ROLLUP}".encode()).fetchall()
    return outcomes


@pytest.mark.parametrize("path", ["", "SET search_path = pg_temp, pg_catalog, public", "SET search_path = pg_temp"])
def test_a_function_of_ours_does_not_use_types_of_the_caller(shop: Shop, path: str) -> None:
    with listening(shop, shop.member) as (session, notices):
        types = session.execute(
            "SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' "
            "AND typelem = 0 AND typname NOT LIKE 'pg\\_%' AND typname NOT IN ('bool', 'name')"
        ).fetchall()
        assert {"uuid", "date", "text", "jsonb", "timestamptz", "int8"} <= {name for (name,) in types}
        for (name,) in types:
            session.execute(
                f"""CREATE FUNCTION pg_temp.heard(value pg_catalog.{name}) RETURNS pg_catalog.bool LANGUAGE plpgsql
                AS $$ BEGIN RAISE NOTICE '{name} as %', current_user; RETURN true; END $$;
                CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.heard(VALUE))""".encode()
            )
        session.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)")
        session.execute(path.encode())
        assert ask_all(session, shop, shop.ours) == {"answered"}
    # The caller's own function runs in the caller's own query.
    assert {line for line in notices if not line.endswith(" as authenticated")} == set()


def test_a_function_of_ours_does_not_read_tables_of_the_caller(shop: Shop) -> None:
    with connect(shop.database) as owner:
        names = {
            name
            for (name,) in owner.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') "
                "AND relnamespace IN ('public'::regnamespace, 'eventflow_stats'::regnamespace)"
            ).fetchall()
        }
    assert {"client_members", "clients", "client_days", "visit_facts", "marketing_stats_daily"} <= names
    with request(shop.database, shop.stranger) as session:
        session.execute("SET search_path = pg_temp, public")
        for name in names:
            session.execute(
                f"CREATE TEMP TABLE {name} (client_id uuid, user_id uuid, id uuid, agency_id uuid, role text)".encode()
            )
            session.execute(
                f"INSERT INTO pg_temp.{name} VALUES (%(c)s, %(u)s, %(c)s, %(c)s, 'owner')".encode(),
                {"c": shop.ours, "u": shop.stranger},
            )
        assert ask_all(session, shop, shop.ours) == {"PT404"}
        found = session.execute(f"SELECT DISTINCT client_id FROM {ROLLUP}".encode()).fetchall()
        assert found == [(shop.theirs,)]


def test_a_function_of_the_caller_in_a_condition_sees_no_row_of_others(shop: Shop) -> None:
    with listening(shop, shop.stranger) as (session, notices):
        session.execute(
            "CREATE FUNCTION pg_temp.leak(client uuid, visits bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 "
            "AS $$ BEGIN RAISE NOTICE '%', client; RETURN true; END $$"
        )
        session.execute(f"SELECT FROM {ROLLUP} WHERE pg_temp.leak(client_id, visits)".encode())
    assert set(notices) == {str(shop.theirs)}


def test_the_planners_statistics_reveal_nothing(shop: Shop) -> None:
    shop.connection.execute(f"ANALYZE {ROLLUP}".encode())
    with request(shop.database, shop.stranger) as session:
        assert session.execute("SELECT FROM pg_stats WHERE tablename = 'marketing_stats_daily'").fetchall() == []
        for catalog in ("pg_statistic", "pg_statistic_ext_data", "pg_authid"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"SELECT FROM {catalog}".encode())


def test_session_settings_give_no_access(shop: Shop) -> None:
    before = everything_in(shop.database)
    for setting in (
        "row_security = off", "session_replication_role = replica", "default_transaction_read_only = off",
        "search_path = eventflow_stats, auth", "check_function_bodies = off", "plan_cache_mode = force_generic_plan",
        "debug_parallel_query = on", "request.role = service_role", "request.jwt.claim.role = service_role",
        "eventflow_stats.bucket_timezone = UTC", "TimeZone = 'Pacific/Kiritimati'", "DateStyle = 'German'",
    ):  # fmt: skip
        with request(shop.database, shop.stranger) as session:
            try:
                session.execute(f"SET {setting}".encode())
            except psycopg.Error:
                continue
            for function in STATEMENTS:
                with pytest.raises(psycopg.Error, match="not found"):
                    ask(session, function, shop.ours, DAY, DAY, link=shop.link)
            try:
                seen = session.execute(f"SELECT DISTINCT client_id FROM {ROLLUP}".encode()).fetchall()
            except psycopg.errors.InsufficientPrivilege:
                seen = []
            assert seen in ([], [(shop.theirs,)])
    assert everything_in(shop.database) == before


Touched = dict[str, tuple[int, ...]]


def touched(shop: Shop, user: UUID, statement: str, *parameters: object) -> tuple[str, Touched, Touched]:
    """The error of a query, and for each table and index the number of scans and of rows read."""
    with request(shop.database, user) as session:
        # The first call parses functions and makes plans.
        for _ in range(2):
            with session.transaction():
                with pytest.raises(psycopg.Error) as refused, session.transaction():
                    session.execute(statement.encode(), parameters)
                tables = session.execute(
                    "SELECT relid::regclass::text, seq_scan, seq_tup_read, idx_scan FROM pg_stat_xact_all_tables "
                    "WHERE coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0 "
                    "AND schemaname NOT IN ('pg_catalog', 'pg_toast')"
                ).fetchall()
                indexes = session.execute(
                    "SELECT oid::regclass::text, pg_stat_get_xact_numscans(oid) FROM pg_class "
                    "WHERE relkind = 'i' AND pg_stat_get_xact_numscans(oid) > 0 "
                    "AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)"
                ).fetchall()
    return str(refused.value), {n: tuple(r) for n, *r in tables}, {n: tuple(r) for n, *r in indexes}


@pytest.mark.parametrize("function", ["summary", "links", "overview", "version", "explain"])
def test_refusing_a_client_of_others_costs_as_much_as_refusing_a_missing_one(shop: Shop, function: str) -> None:
    """The same tables and indexes are scanned equally often, so the duration shows no difference."""
    third = "utm_source => %s::text" if function == "explain" else "%s"
    statement = f"SELECT public.marketing_{function}(%s, %s, {third})"
    for user in (shop.stranger, uuid4()):
        others, unknown = (touched(shop, user, statement, client, *COMPUTED) for client in (shop.ours, uuid4()))
        assert others == unknown
        assert others[0].startswith("not found")
        assert set(others[1]) <= {"client_members", "clients", "agency_members"}
        assert others[1]


def test_refusing_a_link_of_others_costs_as_much_as_refusing_a_missing_one(shop: Shop) -> None:
    statement = "SELECT public.marketing_link_stats(%s, %s, %s, %s)"
    for client in (shop.ours, shop.theirs, uuid4()):
        others, unknown = (
            touched(shop, shop.member, statement, client, link, *COMPUTED) for link in (shop.their_link, uuid4())
        )
        assert others == unknown
        assert others[0].startswith("not found")
        assert ROLLUP.removeprefix("public.") not in others[1]


@pytest.mark.parametrize("rows", [1, 500])
def test_membership_is_checked_once_per_query_not_per_row(shop: Shop, rows: int) -> None:
    shop.connection.execute(
        f"INSERT INTO {ROLLUP} (id, client_id, bucket_date, utm_source, visits) "
        "SELECT gen_random_uuid(), %s, %s::date, n::text, 1 FROM generate_series(1, %s) AS n".encode(),
        [shop.ours, DAY, rows],
    )
    for user in (shop.member, uuid4()):
        with connect(shop.database) as session:
            session.execute("SET track_functions = 'all'")
            session.execute("SET ROLE authenticated")
            session.execute("SELECT set_config('request.jwt.claims', %s, false)", [f'{{"sub": "{user}"}}'])
            with session.transaction():
                read = session.execute(f"SELECT FROM {ROLLUP}".encode()).fetchall()
                calls = session.execute(
                    "SELECT funcname, calls FROM pg_stat_xact_user_functions WHERE schemaname = 'eventflow_stats'"
                ).fetchall()
            assert (len(read) > rows) == (user == shop.member)
            assert dict(calls)["readable_clients"] == 1
            # An inlined SQL function counts no call, but its InitPlan runs once.
            assert dict(calls).get("reads_every_client", 1) == 1
            plan = session.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT FROM {ROLLUP}".encode()).fetchone()
            assert plan is not None
            inner = subplans(plan[0][0]["Plan"])
            assert {node["Parent Relationship"] for node in inner} <= {"InitPlan", "SubPlan"}
            assert inner
            assert {node["Actual Loops"] for node in inner} <= {0, 1}


def subplans(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node of the plan that is a subquery of a policy."""
    within = [found for child in node.get("Plans", ()) for found in subplans(child)]
    return within + ([node] if node.get("Parent Relationship") in ("InitPlan", "SubPlan") else [])
