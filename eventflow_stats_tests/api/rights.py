"""Finds excessive and missing rights by the catalog and by attempts, in one transaction.

Roles, relations and functions are found in the catalog, in every schema: what a later migration or the product adds is
closed, or named in test_privileges.py.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from eventflow_stats_tests.api.shop import COMPUTED, Shop
from eventflow_stats_tests.api.test_privileges import (
    ANON,
    ENGINE,
    ON_FUNCTIONS,
    ON_RELATIONS,
    ON_SCHEMAS,
    READER,
    ROLES,
    SERVICE,
    USER,
    is_the_products,
)

Session = psycopg.Connection[Any]
REQUESTS = (ANON, USER, SERVICE)
OUTSIDE = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'"
RIGHTS = f"""
SELECT r.role, n.nspname || '.' || c.relname, p.privilege
FROM unnest(%s::text[]) AS r (role)
CROSS JOIN pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND {OUTSIDE.replace("%", "%%")}
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND CASE
        WHEN p.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
            THEN has_any_column_privilege(r.role, c.oid, p.privilege)
        ELSE has_table_privilege(r.role, c.oid, p.privilege)
    END
UNION ALL
SELECT r.role, n.nspname || '.' || p.proname, 'EXECUTE'
FROM unnest(%s::text[]) AS r (role)
CROSS JOIN pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace AND {OUTSIDE.replace("%", "%%")}
WHERE p.prorettype <> 'trigger'::regtype
    AND has_function_privilege(r.role, p.oid, 'EXECUTE') AND has_schema_privilege(r.role, n.oid, 'USAGE')
UNION ALL
SELECT r.role, n.nspname, p.privilege
FROM unnest(%s::text[]) AS r (role)
CROSS JOIN pg_namespace AS n
CROSS JOIN unnest(ARRAY['USAGE', 'CREATE']) AS p (privilege)
WHERE {OUTSIDE.replace("%", "%%")} AND has_schema_privilege(r.role, n.oid, p.privilege)"""
OTHERS = """
SELECT m.rolname || ' may act for ' || r.rolname
FROM pg_roles AS m
JOIN pg_roles AS r ON r.oid <> m.oid AND pg_has_role(m.oid, r.oid, 'MEMBER')
WHERE m.rolname = ANY (%s)
UNION ALL
SELECT rolname || ' has an attribute that it should not have'
FROM pg_roles
WHERE rolname = ANY (%s) AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin)
    OR rolname = ANY (%s) AND rolbypassrls"""
UNPINNED = """
SELECT p.oid::regprocedure::text || ' runs as its owner with the caller''s search_path'
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE (n.nspname = 'eventflow_stats' OR n.nspname = 'public') AND p.prosecdef
    AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\\_path=%')"""
OF_THE_TOKEN = {("auth", "USAGE"), *((f"auth.{name}", "EXECUTE") for name in ("jwt", "role", "uid"))}
"""Functions of the product that anybody may call."""
EXPECTED = ON_RELATIONS | ON_SCHEMAS | ON_FUNCTIONS


def wrong_rights(session: Session, shop: Shop) -> list[str]:
    """Every right that is excessive or missing. The attempts are rolled back."""
    return sorted({*_rights(session), *_roles(session), *_unpinned(session), *_rows_of_others(session, shop)})


def _rights(session: Session) -> Iterator[str]:
    roles = list(ROLES)
    found = {
        (role, name, privilege)
        for role, name, privilege in session.execute(RIGHTS, [roles, roles, roles])
        if not is_the_products(role, name) and (name, privilege) not in OF_THE_TOKEN
        # These roles exist in Supabase too.
        if (role, name.partition(".")[0]) != (SERVICE, "auth")
    }
    entered = {(role, name) for role, name, privilege in ON_SCHEMAS if privilege == "USAGE"}
    # A function in a schema that the role cannot enter cannot be called.
    expected = {
        right for right in EXPECTED if right[2] != "EXECUTE" or (right[0], right[1].partition(".")[0]) in entered
    }
    for role, name, privilege in found - expected:
        yield f"{role} has {privilege} on {name}"
    for role, name, privilege in expected - found:
        yield f"{role} lacks {privilege} on {name}"


def _roles(session: Session) -> Iterator[str]:
    ours = [ANON, USER, ENGINE, READER]
    yield from (message for (message,) in session.execute(OTHERS, [[*ours, SERVICE], ours, ours]))


def _unpinned(session: Session) -> Iterator[str]:
    yield from (message for (message,) in session.execute(UNPINNED))


def _rows_of_others(session: Session, shop: Shop) -> Iterator[str]:
    """Which clients each caller can read, in the table and through the functions. The first column is the positive
    control."""
    ours, theirs = str(shop.ours), str(shop.theirs)
    members = {"a member": (shop.member, {ours}), "a stranger": (shop.stranger, {theirs}), "nobody's": (None, set())}
    for name, (user, own) in members.items():
        with as_request(session, USER, user):
            found = {str(client) for (client,) in session.execute("SELECT client_id FROM marketing_stats_daily")}
            if found != own:
                yield f"{name} user reads rows of {len(found)} clients"
        for client in (ours, theirs):
            with as_request(session, USER, user):
                answered = _answers(session, client)
            if answered != (client in own):
                yield f"{name} user is {'answered' if answered else 'refused'} a client's numbers"
    with as_request(session, ANON, shop.member):
        if _answers(session, ours):
            yield "anon is answered"


def _answers(session: Session, client: str) -> bool:
    try:
        session.execute("SELECT marketing_summary(%s, %s, %s)", [client, COMPUTED[0], COMPUTED[-1]])
    except psycopg.Error as error:
        if error.sqlstate not in ("PT404", "42501"):
            raise
        return False
    return True


@contextmanager
def as_request(session: Session, role: str, user: object = None) -> Iterator[None]:
    """Set role and claims as Supabase does for a request, and reset them at the end."""
    with session.transaction(force_rollback=True):
        claims = {"role": role} | ({"sub": str(user)} if user else {})
        session.execute("SELECT set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        session.execute(f"SET LOCAL ROLE {role}".encode())
        yield
