"""Reads the rollup through a plain connection, so that tests can compare it."""

from typing import Any
from uuid import UUID

import psycopg

from eventflow_stats_tests.oracle import Group, Numbers


def stored_groups(connection: psycopg.Connection) -> dict[Group, Numbers]:
    """Return the rollup in the oracle's form: every group of every day with its numbers."""
    rows = connection.execute(
        "SELECT client_id, bucket_date, campaign_id, marketing_campaign_link_id, "
        "utm_source, utm_medium, utm_campaign, visits, conversions, cvr FROM marketing_stats_daily"
    ).fetchall()
    found = {Group(*row[:7]): Numbers(*row[7:]) for row in rows}
    assert len(found) == len(rows), "the rollup holds a group twice"
    return found


def whole_rows(connection: psycopg.Connection, client_id: UUID | None = None) -> list[tuple[Any, ...]]:
    """Read every column of every row, with system columns. Equal lists mean that no row was written again."""
    return connection.execute(
        "SELECT xmin::text, ctid::text, m.* FROM marketing_stats_daily AS m "
        "WHERE %(client)s::uuid IS NULL OR client_id = %(client)s::uuid ORDER BY client_id, bucket_date, id",
        {"client": client_id},
    ).fetchall()
