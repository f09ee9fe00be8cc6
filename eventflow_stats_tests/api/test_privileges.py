"""Every right of every role on every table, view, sequence and function of ours is listed here.

Objects are found in the catalog, so one that a later migration adds is closed, or named here.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.api.shop import Shop
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, rows

ANON, USER, SERVICE = "anon", "authenticated", "service_role"
ENGINE, READER = "eventflow_stats_engine", "eventflow_stats_reader"
ROLES = (ANON, USER, SERVICE, ENGINE, READER)
Rights = set[tuple[str, str, str]]
"""Role, object, privilege."""

ENGINE_AND_READER_SELECT = (
    "adjustments", "campaign_names", "client_names", "conversion_attribution", "conversion_facts", "days", "deployment",
    "discrepancies", "link_names", "client_days", "unswept_changes", "progress", "visit_attribution", "visit_facts",
)  # fmt: skip
READER_SELECTS = ("client_campaigns", "client_webinars", "link_details", "schema_version", "webinar_registrations")
ENGINE_SELECTS = (
    "alerts",
    "day_decisions",
    "answers",
    "days_for_sweep",
    "own_objects",
    "row_changes",
    "marketing_data_quality_daily",
    "quality_days",
)
ENGINE_WRITES = {
    "day_decisions": ("INSERT",),
    "alerts": ("INSERT", "UPDATE", "DELETE"),
    "answers": ("INSERT", "UPDATE", "DELETE"),
    "days": ("INSERT", "UPDATE"),
    "discrepancies": ("INSERT", "UPDATE"),
    "marketing_data_quality_daily": ("INSERT", "UPDATE", "DELETE"),
    "quality_days": ("INSERT", "UPDATE"),
    "client_days": ("INSERT", "UPDATE"),
    "unswept_changes": ("INSERT", "DELETE"),
    "progress": ("UPDATE",),
}
ROLLUP = "public.marketing_stats_daily"
ON_RELATIONS: Rights = {
    *((role, ROLLUP, "SELECT") for role in (USER, SERVICE, ENGINE, READER)),
    *((ENGINE, ROLLUP, verb) for verb in ("INSERT", "UPDATE", "DELETE")),
    *((role, f"eventflow_stats.{name}", "SELECT") for role in (ENGINE, READER) for name in ENGINE_AND_READER_SELECT),
    *((READER, f"eventflow_stats.{name}", "SELECT") for name in READER_SELECTS),
    *((ENGINE, f"eventflow_stats.{name}", "SELECT") for name in ENGINE_SELECTS),
    *((ENGINE, f"eventflow_stats.{name}", verb) for name, verbs in ENGINE_WRITES.items() for verb in verbs),
}
FUNCTIONS = ("summary", "links", "link_stats", "overview", "version", "explain", "is_readable")
OWN_FUNCTIONS = (
    "sealed_days_in_range",
    "with_sealed_and_adjusted",
    "may_read",
    "raw_groups",
    "client_groups",
    "open_reading",
    "with_adjusted",
)
OF_THE_LEDGER = (
    "count_facts",
    "count_facts_of_no_day",
    "adjusted_group",
    "lock_adjustments",
    "add_adjustment",
    "revert_adjustment",
)
ENGINE_AND_READER_CALL = (
    "rate", "instant_text", "asked_text", "is_asked", "attributed_facts", "first_ids", "explain_facts", "explain_day",
)  # fmt: skip
PURE = ("day_start", "fact_hash", "group_id", "full_transaction_id", "utm_value")
"""They have no grants of their own, because the schema is closed. They run with the caller's rights and read no
client's data."""
ON_FUNCTIONS: Rights = {
    *((role, f"public.marketing_{name}", "EXECUTE") for role in (USER, SERVICE) for name in FUNCTIONS),
    *((role, f"eventflow_stats.read_{name}", "EXECUTE") for role in (USER, SERVICE, READER) for name in FUNCTIONS),
    *((READER, f"eventflow_stats.{name}", "EXECUTE") for name in OWN_FUNCTIONS),
    *((ENGINE, f"eventflow_stats.{name}", "EXECUTE") for name in OF_THE_LEDGER),
    *((role, f"eventflow_stats.{name}", "EXECUTE") for role in (ENGINE, READER) for name in ENGINE_AND_READER_CALL),
    *((role, f"eventflow_stats.{name}", "EXECUTE") for role in ROLES for name in PURE),
    *(
        (role, f"eventflow_stats.{name}", "EXECUTE")
        for role in (USER, READER)
        for name in ("readable_clients", "reads_every_client")
    ),
}
ON_SCHEMAS: Rights = {
    *((role, "public", "USAGE") for role in ROLES),
    *((role, "eventflow_stats", "USAGE") for role in (ENGINE, READER)),
}


def granted(database: Database, objects: str) -> Rights:
    """Effective rights, including those of PUBLIC and of columns."""
    return {
        (role, name, privilege)
        for role in ROLES
        for name, privilege in rows(database, objects.replace("$role", role))
        if not is_the_products(role, name)
    }


def is_the_products(role: str, name: str) -> bool:
    """Supabase gives the service every right on the product's own tables."""
    return role == SERVICE and name.startswith("public.") and not name.startswith("public.marketing_")


RELATIONS = """
SELECT n.nspname || '.' || c.relname, p.privilege
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'eventflow_stats')
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND CASE
        WHEN p.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
            THEN has_any_column_privilege('$role', c.oid, p.privilege)
        ELSE has_table_privilege('$role', c.oid, p.privilege)
    END
UNION ALL
SELECT n.nspname || '.' || c.relname, p.privilege
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'eventflow_stats')
CROSS JOIN unnest(ARRAY['SELECT', 'UPDATE', 'USAGE']) AS p (privilege)
WHERE c.relkind = 'S' AND has_sequence_privilege('$role', c.oid, p.privilege)"""
CALLABLE = """
SELECT n.nspname || '.' || p.proname, 'EXECUTE'
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname IN ('public', 'eventflow_stats')
WHERE p.prorettype <> 'trigger'::regtype AND has_function_privilege('$role', p.oid, 'EXECUTE')"""
SCHEMAS = """
SELECT n.nspname, p.privilege
FROM pg_namespace AS n
CROSS JOIN unnest(ARRAY['USAGE', 'CREATE']) AS p (privilege)
WHERE n.nspname IN ('public', 'eventflow_stats') AND has_schema_privilege('$role', n.oid, p.privilege)"""


def test_no_role_has_a_right_that_is_not_listed_here(database: Database) -> None:
    assert granted(database, RELATIONS) == ON_RELATIONS
    assert granted(database, CALLABLE) == ON_FUNCTIONS
    assert granted(database, SCHEMAS) == ON_SCHEMAS


def test_our_roles_can_neither_log_in_nor_become_another_role(database: Database) -> None:
    found = rows(
        database,
        f"""SELECT rolname FROM pg_roles
        WHERE rolname IN ('{ENGINE}', '{READER}')
            AND (rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication)
        UNION ALL
        SELECT roleid::regrole::text FROM pg_auth_members
        WHERE member IN ('{ENGINE}'::regrole, '{READER}'::regrole)
            OR member IN ('{ANON}'::regrole, '{USER}'::regrole, '{SERVICE}'::regrole)
                AND roleid IN ('{ENGINE}'::regrole, '{READER}'::regrole)""",
    )
    assert found == []


def test_every_table_that_a_request_may_read_has_row_level_security(database: Database) -> None:
    readable = {name for role, name, _ in ON_RELATIONS if role in (ANON, USER, SERVICE)}
    secured = rows(
        database,
        "SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE c.relrowsecurity",
    )
    assert readable <= {name for (name,) in secured}


def attempts(database: Database, role: str) -> Iterator[tuple[str, str]]:
    """A statement for every right that the role does not have, with a description."""
    verbs = {
        "SELECT": "SELECT * FROM {0}",
        "INSERT": "INSERT INTO {0} DEFAULT VALUES",
        "UPDATE": "UPDATE {0} SET {1} = {1}",
        "DELETE": "DELETE FROM {0}",
        "TRUNCATE": "TRUNCATE {0} CASCADE",
        "ALTER": "ALTER TABLE {0} ADD COLUMN mine integer",
        "DROP": "DROP TABLE {0} CASCADE",
        "GRANT": "GRANT ALL ON {0} TO anon",
        "LOCK": "DO $$ BEGIN LOCK TABLE {0} IN ACCESS EXCLUSIVE MODE; END $$",
        "COPY": "COPY {0} TO STDOUT",
        "RULE": "CREATE RULE mine AS ON INSERT TO {0} DO ALSO NOTHING",
        "POLICY": "CREATE POLICY mine ON {0} USING (true)",
    }
    relations = rows(
        database,
        "SELECT n.nspname || '.' || c.relname, (SELECT quote_ident(a.attname) FROM pg_attribute AS a "
        "WHERE a.attrelid = c.oid AND attnum > 0 AND attidentity = '' AND attgenerated = '' AND NOT attisdropped "
        "ORDER BY attnum LIMIT 1) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname IN ('public', 'eventflow_stats') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    )
    for name, column in relations:
        if is_the_products(role, name):
            continue
        for verb, statement in verbs.items():
            owned = {v for r, n, v in ON_RELATIONS if (r, n) == (role, name)}
            # Any right allows LOCK or COPY, and turns the error of a useless GRANT into a warning.
            if verb not in owned and not (verb in ("COPY", "LOCK", "GRANT") and owned):
                yield statement.format(name, column), name
    functions = rows(
        database,
        "SELECT n.nspname || '.' || p.proname, (SELECT string_agg('NULL::' || t::regtype, ', ' ORDER BY o) "
        "FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, o)) FROM pg_proc AS p "
        "JOIN pg_namespace AS n ON n.oid = p.pronamespace "
        "WHERE n.nspname IN ('public', 'eventflow_stats') AND p.prorettype <> 'trigger'::regtype",
    )
    for name, arguments in functions:
        enters = (role, name.split(".")[0], "USAGE") in ON_SCHEMAS
        if not enters or (role, name, "EXECUTE") not in ON_FUNCTIONS:
            yield f"SELECT {name}({arguments or ''})", name
            yield f"ALTER FUNCTION {name} SECURITY DEFINER", name


@pytest.mark.parametrize("role", ROLES)
def test_every_forbidden_statement_of_a_role_is_refused(shop: Shop, role: str) -> None:
    before = everything_in(shop.database)
    tried = 0
    with connect(shop.database) as session:
        session.execute(f"SET ROLE {role}".encode())
        for statement, about in attempts(shop.database, role):
            tried += 1
            with pytest.raises(psycopg.Error) as refused:
                run(session, statement)
            # For a view the statement fails before the check of the right.
            kinds = {"42501", "55000", "42809"} if about.startswith("eventflow_stats.") else {"42501"}
            assert refused.value.sqlstate in kinds, (statement, str(refused.value))
    assert tried > 100
    assert everything_in(shop.database) == before


def run(session: "psycopg.Connection[Any]", statement: str) -> None:
    if statement.startswith("COPY"):
        with session.cursor().copy(statement.encode()) as copied:
            copied.read()
    else:
        session.execute(statement.encode())


FORBIDDEN = (
    "CREATE TABLE public.mine ()",
    "CREATE TABLE eventflow_stats.mine ()",
    "CREATE FUNCTION public.marketing_summary(uuid) RETURNS json LANGUAGE sql RETURN NULL",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    f"GRANT {READER} TO {USER}",
    f"ALTER ROLE {USER} BYPASSRLS",
    "ALTER SYSTEM SET fsync = off",
    "ALTER DATABASE postgres SET role = service_role",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_can_create_objects_or_read_files(database: Database, role: str) -> None:
    with connect(database) as session:
        session.execute(f"SET ROLE {role}".encode())
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement.encode())
