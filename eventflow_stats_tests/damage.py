"""Damages a disk: writes random bytes over one page of a table, in the server's own files.

A server does not read pages again that it has in memory. So the page is damaged in a copy of a database that nobody has
opened yet.
"""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from eventflow_stats_tests.conftest import Cluster, name_of

PAGE = 8192


def damaged_copy(cluster: Cluster, original: str, table: str, block: int) -> str:
    """Return the URL of a copy of a database in which this page of this table, or index, is random bytes."""
    with psycopg.connect(original, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        (path,) = connection.execute("SELECT pg_relation_filepath(%s::regclass)", [table]).fetchone() or ("",)
    copy = cluster.create()
    cluster.drop(copy)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY = file_copy").format(
                sql.Identifier(name_of(copy)), sql.Identifier(name_of(original))
            )
        )
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        (oid,) = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [name_of(copy)]).fetchone() or (
            0,
        )
    with (Path(folder) / "base" / str(oid) / Path(path).name).open("r+b") as pages:
        pages.seek(block * PAGE)
        pages.write(random.Random(1).randbytes(PAGE))
    return copy


def add_visits(connection: "psycopg.Connection[tuple[object, ...]]", campaign: object, day: date, visits: int) -> None:
    """Insert visits in the order of the day."""
    connection.execute(
        "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at) "
        "SELECT %s, 's' || n, t, t FROM generate_series(1, %s) AS n "
        "CROSS JOIN LATERAL (SELECT %s::timestamptz + n * interval '1 minute' AS t) AS at",
        [campaign, visits, datetime(day.year, day.month, day.day, tzinfo=UTC)],
    )


def page_within(url: str, day: date) -> int:
    """Return the middle one of the pages of the access log that have visits of this day."""
    with psycopg.connect(url) as connection:
        pages = connection.execute(
            "SELECT DISTINCT (ctid::text::point)[0]::integer FROM event_access_logs "
            "WHERE accessed_at >= %s AND accessed_at < %s ORDER BY 1",
            [day, day + timedelta(days=1)],
        ).fetchall()
    assert len(pages) >= 5
    return int(str(pages[len(pages) // 2][0]))
