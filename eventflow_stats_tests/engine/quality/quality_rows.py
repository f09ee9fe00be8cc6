"""Rows of data quality with the counts that a test names."""

from datetime import date
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

COLUMNS = (
    "visit_facts", "visits", "sessionless_visits", "entries", "linked_entries", "visit_facts_with_utm",
    "entries_with_utm", "visit_facts_with_link", "entries_with_link", "tracked_entries", "unknown_facts",
)  # fmt: skip


def quality_row(connection: psycopg.Connection, client: UUID, day: date, **counts: int) -> None:
    """Insert a row of one client-day. Counts that are not named are 0."""
    connection.execute(
        "INSERT INTO eventflow_stats.marketing_data_quality_daily SELECT %s, %s, now(), (c->>'visit_facts')::int, "
        "(c->>'visits')::int, 0, (c->>'entries')::int, (c->>'linked_entries')::int, (c->>'visit_facts_with_utm')::int, "
        "0, 0, 0, (c->>'tracked_entries')::int, (c->>'unknown_facts')::int FROM (SELECT %s::jsonb AS c) AS given",
        [client, day, Jsonb({**dict.fromkeys(COLUMNS, 0), **counts})],
    )
    know(connection, day)


def know(connection: psycopg.Connection, *days: date) -> None:
    for day in days:
        connection.execute("INSERT INTO eventflow_stats.quality_days VALUES (%s, now()) ON CONFLICT DO NOTHING", [day])
