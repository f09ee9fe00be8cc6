"""Attacks: every route of the OpenAPI document, and invalid values for every parameter."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.api.serving import SECRET
from eventflow_stats_tests.api.shop import Shop
from eventflow_stats_tests.engine.postgres.inspecting import everything_in

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PAYLOADS: tuple[str, ...] = (
    # SQL
    "'", "' OR '1'='1", "1; DROP TABLE marketing_stats_daily; --", "'; RESET ROLE; SELECT 1; --",
    "'; SET ROLE service_role; --",
    "' UNION SELECT * FROM clients --", "1) OR pg_sleep(9) IS NULL --", "$$; SELECT 1 $$",
    "'::date; COPY clients TO PROGRAM 'id'; --", "now()", "NULL", "infinity", "-infinity", "epoch", "today", "allballs",
    # formats and templates
    "%s%s%s%n", "%(client)s", "{0.__class__}", "{{7*7}}", "${jndi:ldap://x}", "<script>alert(1)</script>",
    # shells
    "$(id)", "`id`", "; id", "| id", "&& id",
    # paths
    "..", "../..", "../../../etc/passwd", "..\\..\\", "%2e%2e%2f", "/", "//", ".", "file:///etc/passwd",
    # bytes and letters
    "\x00", "2026-03-01\x00", "\r\nX-Injected: 1", "\n", "\u202e", "\ufeff", "\U0001f4a9",
    "\u0662\u0660\u0662\u0666-03-01",
    "\uff12\uff10\uff12\uff16-03-01", "e\u0301" * 50,
    # sizes and kinds
    "", " ", "0", "-1", "1e400", "9" * 400, "A" * 20_000, "[]", "{}", "null", "true", "undefined",
    "0001-01-01 BC", "10000-01-01", "2026-03-01T00:00:00Z", "2026-03-01,2026-03-02",
    "{00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000g", "urn:uuid:", "0" * 33,
)  # fmt: skip


class Route(NamedTuple):
    """An operation of the OpenAPI document."""

    verb: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    """Place (path, query, header) and name of each."""

    @property
    def of_a_client(self) -> bool:
        return "{client_id}" in self.path

    def url(self, ids: Mapping[str, UUID | str]) -> str:
        """The path with those ids, percent-encoded."""
        return self.path.format(**{name: quote(str(value), safe="") for name, value in ids.items()})


def routes(http: httpx.Client) -> list[Route]:
    """Every documented operation, so that a new one is attacked too."""
    paths: dict[str, dict[str, dict[str, Any]]] = http.get("/openapi.json").json()["paths"]
    return [
        Route(verb.upper(), path, tuple((p["in"], p["name"]) for p in operation.get("parameters", ())))
        for path, operations in paths.items()
        for verb, operation in operations.items()
    ]


def undocumented(http: httpx.Client) -> Iterator[tuple[str, str]]:
    """Each method that a path does not have."""
    found = routes(http)
    for path in {route.path for route in found}:
        yield from ((verb, path) for verb in VERBS if verb not in {r.verb for r in found if r.path == path})


def message(answer: httpx.Response) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """The whole answer: status, headers (without the date) and body."""
    headers = tuple(sorted((name, value) for name, value in answer.headers.items() if name != "date"))
    return answer.status_code, headers, answer.content


class Attacked(Shop):
    """The shop with an agency and an analyst for each client, and the contents of the database before the attack."""

    def __init__(self, database: Database, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        super().__init__(database, connection)
        self.analyst, self.their_analyst, self.nobody = self._analyst(self.ours), self._analyst(self.theirs), uuid4()
        self.before = self.contents()

    def contents(self) -> str:
        """The whole database without the counts of answers, which every request changes."""
        return everything_in(self.database, but_rows_of=["eventflow_stats.answers"])

    def _analyst(self, client: UUID) -> UUID:
        agency, user = uuid4(), uuid4()
        self.connection.execute("INSERT INTO agencies (id, name) VALUES (%s, 'an agency')", [agency])
        self.connection.execute("UPDATE clients SET agency_id = %s WHERE id = %s", [agency, client])
        self.connection.execute(
            "INSERT INTO agency_members (agency_id, user_id, role) VALUES (%s, %s, 'analyst')", [agency, user]
        )
        return user

    @property
    def ids(self) -> dict[str, UUID]:
        return {"client_id": self.ours, "link_id": self.link}

    def secrets(self) -> set[str]:
        """Texts that no answer to a stranger may contain."""
        values = (self.ours, self.theirs, self.link, self.their_link, self.campaign, SECRET)
        return {str(value) for value in values} | {"Traceback", "psycopg", "postgres", "pg_", "relation", 'File "'}
