"""Two days with many facts of two clients, and ways to make facts disappear and restore them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.facts import Product, connect
from eventflow_stats_tests.rollup import whole_rows

DAY = date(2026, 3, 4)
NEXT_DAY = date(2026, 3, 5)
FACT_TABLES = ("event_access_logs", "event_survey_entries")


class BusyShop:
    """Two clients with 2,000 visits and 200 entries on each of two days, three quarters of them of the first client;
    the rollup is verified."""

    def __init__(self, database: Database, connection: psycopg.Connection) -> None:
        self.database, self.connection = database, connection
        self.product = Product(connection)
        self.large, self.small = self.product.client("large"), self.product.client("small")
        self.campaigns = {client: self.product.campaign(client) for client in (self.large, self.small)}
        for day in (DAY, NEXT_DAY):
            self.add_visits(self.large, day, 1_500)
            self.add_visits(self.small, day, 500)
            self.add_entries(self.large, day, 150)
            self.add_entries(self.small, day, 50)
        detect(database)
        list(rebuild(database, [DAY, NEXT_DAY]))
        assert [day.result for day in verify(database, [DAY, NEXT_DAY])] == ["verified", "verified"]

    def add_visits(self, client: UUID, day: date, number: int) -> None:
        self.connection.execute(
            "INSERT INTO event_access_logs (id, campaign_id, session_id, utm_source, accessed_at, created_at) "
            "SELECT gen_random_uuid(), %s, gen_random_uuid()::text, 's' || n %% 5, at, at "
            "FROM generate_series(1, %s) AS n, LATERAL (SELECT %s + n * interval '10 seconds' AS at) AS clock",
            [self.campaigns[client], number, start_of(day)],
        )

    def add_entries(self, client: UUID, day: date, number: int) -> None:
        self.connection.execute(
            "INSERT INTO event_survey_entries "
            "(id, campaign_id, utm_source, created_at, completed_at, phone_norm, survey_no, code6) "
            "SELECT gen_random_uuid(), %s, 's' || n %% 5, at, at, gen_random_uuid()::text, "
            "(SELECT coalesce(max(survey_no), 0) FROM event_survey_entries) + n, gen_random_uuid()::text "
            "FROM generate_series(1, %s) AS n, LATERAL (SELECT %s + n * interval '1 minute' AS at) AS clock",
            [self.campaigns[client], number, start_of(day)],
        )

    def delete_visits(self, share: float, client: UUID | None = None, day: date = DAY) -> None:
        """Delete this share of a client's visits of the day, or of all clients."""
        self.connection.execute(
            "DELETE FROM event_access_logs WHERE id IN ("
            "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS all_rows "
            "FROM event_access_logs WHERE accessed_at >= %(from)s AND accessed_at < %(to)s "
            "AND (%(campaign)s::uuid IS NULL OR campaign_id = %(campaign)s)) AS v "
            "WHERE n <= all_rows * %(share)s::float8)",
            {
                "from": start_of(day),
                "to": start_of(day + timedelta(days=1)),
                "campaign": None if client is None else self.campaigns[client],
                "share": share,
            },
        )

    @contextmanager
    def facts_away(self) -> Iterator[None]:
        """The fact tables are empty inside this context, and restored afterwards as from a backup."""
        run = self.connection.execute
        for table in FACT_TABLES:
            run(f"CREATE TABLE saved_{table} AS TABLE {table}")
        self.truncate()
        yield
        for table in reversed(FACT_TABLES):
            run(f"INSERT INTO {table} SELECT * FROM saved_{table}")

    def truncate(self) -> None:
        self.connection.execute("TRUNCATE event_access_logs, event_survey_entries CASCADE")

    def rows(self) -> list[tuple[Any, ...]]:
        return whole_rows(self.connection)

    def one(self, statement: str, *values: object) -> Any:
        (found,) = self.connection.execute(statement, values).fetchone() or (None,)
        return found


def start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.fixture
def busy_shop(database: Database) -> Iterator[BusyShop]:
    with connect(database) as connection:
        yield BusyShop(database, connection)
