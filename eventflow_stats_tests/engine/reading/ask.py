"""Calls the SQL read functions as Supabase does: with a role, the claims of a token, and one statement."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.facts import connect

STATEMENTS = {
    "summary": "SELECT public.marketing_summary(client_id => %(client)s, \"from\" => %(from)s, \"to\" => %(to)s)",
    "links": "SELECT public.marketing_links(client_id => %(client)s, \"from\" => %(from)s, \"to\" => %(to)s)",
    "overview": "SELECT public.marketing_overview(client_id => %(client)s, \"from\" => %(from)s, \"to\" => %(to)s)",
    "link_stats": "SELECT public.marketing_link_stats("
    "client_id => %(client)s, link_id => %(link)s, \"from\" => %(from)s, \"to\" => %(to)s)",
}  # fmt: skip
COMPANIONS = {"_source", "_coverage", "_freshness", "_metadata"}


@contextmanager
def request(
    database: Database,
    sub: object = None,
    role: str = "authenticated",
    claims: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator["psycopg.Connection[Any]"]:
    """A connection as a request has it; ``claims`` are added to the claim ``sub`` unchanged."""
    with connect(database) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        token = {"role": role} | ({"sub": str(sub)} if sub else {}) | dict(claims)
        connection.execute("SELECT set_config('request.jwt.claims', %s, false)", [json.dumps(token)])
        yield connection


def ask(
    connection: "psycopg.Connection[Any]",
    function: str,
    client: UUID | str | None,
    first: date | str | None = None,
    last: date | str | None = None,
    link: UUID | str | None = None,
) -> dict[str, Any]:
    """One answer of ``marketing_<function>``, as its caller reads the JSON."""
    row = connection.execute(
        STATEMENTS[function].encode(), {"client": client, "from": first, "to": last, "link": link}
    ).fetchone()
    assert row is not None
    return dict(row[0])


def numbers_of(answer: Any) -> Any:
    """The parts of an answer that depend only on the facts: without its metadata, at every depth."""
    if isinstance(answer, dict):
        return {key: numbers_of(value) for key, value in answer.items() if key not in COMPANIONS}
    return [numbers_of(value) for value in answer] if isinstance(answer, list) else answer
