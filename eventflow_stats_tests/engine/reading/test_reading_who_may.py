"""Who may call the read functions, and that no caller learns anything about other clients."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, rows, run
from eventflow_stats_tests.engine.reading.ask import STATEMENTS, ask, request
from eventflow_stats_tests.engine.reading.three_clients import (
    AGENCY,
    AGENCY_ROLES,
    CAFE,
    DAY,
    GYM,
    OTHER_AGENCY,
    ROLES,
    ROLLUP,
    SHOP,
    user,
)

CLIENTS = (SHOP, CAFE, GYM)
SUPER_ADMIN = {"app_metadata": {"is_super_admin": True}}
READER = "eventflow_stats_reader"
Claims = Mapping[str, Any]
NONE: Claims = MappingProxyType({})


def readable(database: Database, sub: object, role: str = "authenticated", claims: Claims = NONE) -> list[str]:
    """The clients that every function answers for; all functions must give the same clients."""
    found = []
    with request(database, sub, role, claims=claims) as connection:
        for client in CLIENTS:
            outcomes = {outcome(connection, function, client).split(" None")[0] for function in STATEMENTS}
            assert len(outcomes) == 1
            found += [client] if outcomes == {"answered"} else []
    return found


def outcome(connection: "psycopg.Connection[Any]", function: str, client: str) -> str:
    """answered, or the error's code and whole text."""
    try:
        answer = ask(connection, function, client, DAY, DAY, link=link_of(client))
    except psycopg.Error as error:
        diag = error.diag
        return f"{diag.sqlstate} {diag.message_primary} {diag.message_detail} {diag.message_hint} {diag.context}"
    assert answer["_source"] == "aggregated"
    return "answered"


def link_of(client: str) -> str:
    return client.replace("c0000000", "11110000")


@pytest.fixture
def linked(shops: Database) -> Database:
    """The three clients with a link each."""
    for client in CLIENTS:
        run(
            shops,
            f"""INSERT INTO campaign_link_meta (id, client_id, name, target_campaign_id)
            VALUES ('{link_of(client)}', '{client}', 'Secret of {client}', '{client}')""",
        )
    return shops


def test_members_agency_members_and_the_service_read_their_clients(linked: Database) -> None:
    for client in CLIENTS:
        for role in ROLES:
            assert readable(linked, user(role, client)) == [client]
    for role in AGENCY_ROLES:
        assert readable(linked, user(role, AGENCY)) == [SHOP, CAFE]
        assert readable(linked, user(role, OTHER_AGENCY)) == [GYM]
    assert readable(linked, None, "service_role") == [SHOP, CAFE, GYM]


def test_a_super_admin_by_claim_reads_every_client_from_functions_and_table(linked: Database) -> None:
    assert readable(linked, uuid4(), claims=SUPER_ADMIN) == [SHOP, CAFE, GYM]
    with request(linked, uuid4(), claims=SUPER_ADMIN) as connection:
        assert len(connection.execute(f"SELECT FROM {ROLLUP}".encode()).fetchall()) == 3


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"user_metadata": {"is_super_admin": True}},
        {"is_super_admin": True},
        {"app_metadata": {"is_super_admin": "true"}},
        {"app_metadata": {"is_super_admin": 1}},
        {"app_metadata": {"is_super_admin": None}},
        {"app_metadata": [True]},
        {"app_metadata": "is_super_admin"},
        {"role": "service_role"},
        {"role": "postgres", "app_metadata": {"role": "super_admin"}},
    ],
)
def test_a_stranger_reads_nothing_with_any_claims(linked: Database, claims: dict[str, Any]) -> None:
    assert readable(linked, uuid4(), claims=claims) == []
    with request(linked, uuid4(), claims=claims) as connection:
        assert connection.execute(f"SELECT FROM {ROLLUP}".encode()).fetchall() == []


def test_a_token_without_a_user_reads_nothing(linked: Database) -> None:
    assert readable(linked, None) == []


def test_a_client_of_others_cannot_be_distinguished_from_one_that_does_not_exist(linked: Database) -> None:
    for sub in (user("owner", SHOP), uuid4(), None):
        with request(linked, sub) as connection:
            for function in STATEMENTS:
                yours_not = outcome(connection, function, GYM)
                assert yours_not.startswith("PT404 not found None None")
                assert yours_not == outcome(connection, function, str(uuid4()))
    for role, all_of_them in (("service_role", NONE), ("authenticated", SUPER_ADMIN)):
        with request(linked, uuid4(), role, all_of_them) as connection:
            for function in STATEMENTS:
                assert outcome(connection, function, str(uuid4())).startswith("PT404 not found None None")


def test_a_link_of_others_cannot_be_distinguished_from_one_that_does_not_exist(linked: Database) -> None:
    with request(linked, user("owner", SHOP)) as connection:
        message = []
        for link in (link_of(GYM), str(uuid4())):
            with pytest.raises(psycopg.Error) as refused:
                ask(connection, "link_stats", SHOP, DAY, DAY, link=link)
            message.append((refused.value.sqlstate, str(refused.value)))
        assert message[0] == message[1]
        assert message[0][0] == "PT404"


def test_a_link_of_another_client_in_own_facts_is_only_an_id(linked: Database) -> None:
    run(
        linked,
        f"""UPDATE campaign_link_meta SET utm_source = 'secret';
        INSERT INTO event_survey_entries
            (campaign_id, client_id, phone_norm, survey_no, code6, created_at, marketing_campaign_link_id)
        VALUES ('{SHOP}', '{SHOP}', '1', 1, '1', '{DAY}', '{link_of(GYM)}')""",
    )
    run(linked, "DELETE FROM eventflow_stats.client_days; DELETE FROM eventflow_stats.days")
    with request(linked, user("owner", SHOP)) as connection:
        answer = ask(connection, "summary", SHOP, DAY, DAY)
    assert answer["total_conversions"] == 1
    assert {"link_id": link_of(GYM), "link_name": None, "count": 1, "visits": 0, "cvr": 0} in answer[
        "conversions_by_link"
    ]
    assert {item["source"] for item in answer["conversions_by_source"]} == {None}


@pytest.mark.parametrize("role", ["anon", "eventflow_stats_engine"])
def test_no_other_role_may_call_the_functions(linked: Database, role: str) -> None:
    with request(linked, user("owner", SHOP), role, claims=SUPER_ADMIN) as connection:
        for function in STATEMENTS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for function"):
                ask(connection, function, SHOP, DAY, DAY, link=link_of(SHOP))


def test_only_the_read_functions_can_be_called_and_none_by_every_role(database: Database) -> None:
    found = rows(
        database,
        f"""SELECT p.proname, r.rolname FROM pg_proc AS p, pg_roles AS r
        WHERE (p.proowner = '{READER}'::regrole OR p.pronamespace = 'public'::regnamespace)
            AND r.rolname IN ('anon', 'authenticated', 'service_role')
            AND p.prorettype <> 'trigger'::regtype AND has_function_privilege(r.oid, p.oid, 'EXECUTE')""",
    )
    expected = {
        f"{prefix}_{function}"
        for prefix in ("marketing", "read")
        for function in (*STATEMENTS, "version", "explain", "is_readable")
    }
    assert set(found) == {(name, role) for name in expected for role in ("authenticated", "service_role")}


def test_every_function_that_runs_as_its_owner_pins_its_search_path_and_no_reader_is_volatile(
    database: Database,
) -> None:
    loose = rows(
        database,
        """SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace IN ('public'::regnamespace, 'eventflow_stats'::regnamespace) AND prosecdef
            AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)""",
    )
    assert loose == []
    volatile = rows(
        database,
        f"""SELECT oid::regprocedure FROM pg_proc
        WHERE (proowner = '{READER}'::regrole OR proname LIKE 'marketing\\_%') AND provolatile = 'v'""",
    )
    assert volatile == []


def test_the_owner_of_the_functions_writes_nothing_and_sees_no_product_table(linked: Database) -> None:
    granted = rows(
        linked,
        f"""SELECT c.oid::regclass::text, privilege_type FROM pg_class AS c, aclexplode(c.relacl)
        WHERE grantee = '{READER}'::regrole AND privilege_type <> 'SELECT'""",
    )
    assert granted == []
    before = everything_in(linked)
    with connect(linked) as connection:
        connection.execute(f"SET ROLE {READER}".encode())
        assert connection.execute(f"SELECT FROM {ROLLUP}".encode()).fetchall() == []
        for statement in (
            "SELECT FROM public.event_access_logs",
            "SELECT FROM public.clients",
            "CREATE TABLE public.mine ()",
            "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql RETURN 1",
            "CREATE FUNCTION eventflow_stats.mine() RETURNS integer LANGUAGE sql RETURN 1",
            f"DELETE FROM {ROLLUP}",
            "DELETE FROM eventflow_stats.client_days",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    assert everything_in(linked) == before


def test_objects_of_the_caller_are_not_used_by_the_functions(linked: Database) -> None:
    run(
        linked,
        """CREATE SCHEMA trap;
        GRANT USAGE ON SCHEMA trap TO authenticated;
        CREATE FUNCTION trap.eq(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.eq);
        CREATE FUNCTION trap.always(jsonb, jsonb) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR trap.= (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = trap.always);
        CREATE FUNCTION trap.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$SELECT 'service_role'$$;
        CREATE VIEW trap.client_members AS SELECT 1 AS client_id""",
    )
    with request(linked, uuid4(), claims={"app_metadata": {"is_super_admin": False}}) as connection:
        connection.execute("SET search_path = trap, pg_catalog, public")
        for function in STATEMENTS:
            assert outcome(connection, function, SHOP).startswith("PT404")
        assert connection.execute(f"SELECT FROM {ROLLUP}".encode()).fetchall() == []


INJECTIONS: tuple[str, ...] = (
    "' OR true --", "'; DROP TABLE marketing_stats_daily; --", "$$; SELECT 1; $$", "%s", "{}", "2026-02-01'::date --",
)  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_a_parameter_is_no_uuid_and_no_date(linked: Database, text: str) -> None:
    before = everything_in(linked)
    calls: list[Callable[[psycopg.Connection[Any], str], object]] = [
        lambda connection, function: ask(connection, function, text, DAY, DAY, link=link_of(SHOP)),
        lambda connection, function: ask(connection, function, SHOP, text, DAY, link=link_of(SHOP)),
        lambda connection, function: ask(connection, function, SHOP, DAY, text, link=link_of(SHOP)),
        lambda connection, _: ask(connection, "link_stats", SHOP, DAY, DAY, link=text),
    ]
    with request(linked, user("owner", SHOP)) as connection:
        for function in STATEMENTS:
            for call in calls:
                with pytest.raises((psycopg.errors.InvalidTextRepresentation, psycopg.errors.InvalidDatetimeFormat)):
                    call(connection, function)
    assert everything_in(linked) == before


def test_sql_in_facts_and_names_is_text(linked: Database) -> None:
    for text in INJECTIONS:
        quoted = text.replace("'", "''")
        run(
            linked,
            f"""INSERT INTO event_access_logs
                (campaign_id, session_id, utm_source, utm_medium, utm_campaign, accessed_at)
            VALUES ('{SHOP}', 'x', '{quoted}', '{quoted}', '{quoted}', '{DAY}');
            UPDATE campaign_link_meta SET name = '{quoted}' WHERE id = '{link_of(SHOP)}'""",
        )
    run(linked, "DELETE FROM eventflow_stats.client_days; DELETE FROM eventflow_stats.days")
    before = everything_in(linked)
    with request(linked, user("owner", SHOP)) as connection:
        answer = ask(connection, "summary", SHOP, DAY, DAY)
        assert {item["source"] for item in answer["conversions_by_source"]} == {None, *INJECTIONS}
        assert ask(connection, "links", SHOP, DAY, DAY)["links"][0]["name"] == INJECTIONS[-1]
    assert everything_in(linked) == before
