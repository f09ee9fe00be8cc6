"""A year of partitions is dropped, and the numbers of its sealed days stay."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.quality.kpis import compute_quality, due_days
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.status.due_work import missing_days_to_compute, stale_days
from eventflow_stats.engine.status.health import find_problems, format_summary, read_status
from eventflow_stats.engine.verification.sealing import days_to_seal, seal
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.reading.ask import ask, request
from eventflow_stats_tests.engine.rollup.partitioned import partition_facts
from eventflow_stats_tests.facts import Product, connect

pytestmark = pytest.mark.environment

FIRST, LAST = date(2025, 1, 1), date(2026, 1, 2)
"""A year and the two days after it."""
NEW_YEAR = date(2026, 1, 1)
YEAR = [FIRST + timedelta(days=n) for n in range(365)]
REST = [NEW_YEAR, LAST]


class Partitioned:
    """Facts with a partition for each month of the year: three visits and an entry on each day, 1,500 visits on the
    last one."""

    def __init__(self, database: Database, connection: psycopg.Connection) -> None:
        self.database, self.connection = database, connection
        partition_facts(connection)
        for table, old in (("event_access_logs", "visits_old"), ("event_survey_entries", "entries_old")):
            self.run(f"ALTER TABLE {table} DETACH PARTITION {old}")
            for month in range(1, 13):
                first = date(2025, month, 1)
                last = (first + timedelta(days=31)).replace(day=1)
                self.run(f"CREATE TABLE {table}_{month} PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{last}')")
        migrate(database)
        product = Product(connection)
        self.client = product.client()
        campaign = product.campaign(self.client)
        self.run(
            "INSERT INTO event_access_logs (id, campaign_id, session_id, accessed_at, created_at) "
            f"SELECT gen_random_uuid(), '{campaign}', n::text, at + n * interval '1 second', at "
            f"FROM generate_series(timestamptz '{FIRST} 12:00Z', '{LAST} 12:00Z', '1 day') AS at, "
            "LATERAL generate_series(1, CASE WHEN at::date = '2025-12-31' THEN 1500 ELSE 3 END) AS n"
        )
        self.run(
            "INSERT INTO event_survey_entries "
            "(id, campaign_id, created_at, completed_at, phone_norm, survey_no, code6, client_id) "
            f"SELECT gen_random_uuid(), '{campaign}', at, at, gen_random_uuid()::text, 1, '1', '{self.client}' "
            f"FROM generate_series(timestamptz '{FIRST} 12:00Z', '{LAST} 12:00Z', '1 day') AS at"
        )
        detect(database)
        list(rebuild(database, [*YEAR, *REST]))
        assert {day.result for day in verify(database, [*YEAR, *REST])} == {"verified"}

    def run(self, statement: str) -> None:
        self.connection.execute(statement.encode())

    def drop_the_year(self) -> None:
        for month in range(1, 13):
            self.run(f"ALTER TABLE event_access_logs DETACH PARTITION event_access_logs_{month}")
            self.run(f"DROP TABLE event_access_logs_{month}")
            self.run(f"DROP TABLE event_survey_entries_{month}")

    def run_everything(self) -> None:
        """Ticks of all schedules and sensors, and a backfill of all days."""
        database = self.database
        detect(database)
        sweep_due_days(database, FIRST, LAST, at_once=True, seconds=600)
        missed = missing_days_to_compute(database, FIRST, LAST, FIRST)
        list(refresh(database, [*missed, *(day.bucket_date for day in stale_days(database, FIRST, LAST))]))
        list(
            compute_quality(
                database, [day.bucket_date for day in due_days(database, FIRST, LAST, 1_000)], only_due=True
            )
        )
        list(rebuild(database, [*YEAR, *REST]))

    def stored(self) -> dict[str, Any]:
        """All rows of the rollup, the ledger and the data quality of the days of the year."""
        return {
            table: self.connection.execute(
                f"SELECT xmin::text, t::text FROM {table} AS t WHERE bucket_date < '{NEW_YEAR}' ORDER BY 2".encode()
            ).fetchall()
            for table in (
                *("marketing_stats_daily", "eventflow_stats.client_days", "eventflow_stats.days"),
                "eventflow_stats.marketing_data_quality_daily",
            )
        }

    def answer(self) -> dict[str, Any]:
        with request(self.database, role="service_role") as reader:
            return ask(reader, "summary", self.client, str(FIRST), str(LAST))


@pytest.fixture
def partitioned(product_database: Database) -> Iterator[Partitioned]:
    with connect(product_database) as connection:
        yield Partitioned(product_database, connection)


@pytest.mark.slow
def test_sealed_days_keep_their_numbers_when_a_year_of_partitions_is_dropped(partitioned: Partitioned) -> None:
    database = partitioned.database
    assert days_to_seal(database, NEW_YEAR) == YEAR
    assert all(day.seal is not None for day in seal(database, YEAR, "Kim"))
    before, answer = partitioned.stored(), partitioned.answer()
    assert len(before["marketing_stats_daily"]) == len(before["eventflow_stats.days"]) == 365

    partitioned.drop_the_year()
    partitioned.run_everything()
    assert partitioned.stored() == before
    after = partitioned.answer()
    assert (after["_source"], after["_sealed"]) == ("aggregated", {"days": 365, "before": str(NEW_YEAR)})
    companions = ("_freshness",)
    assert {name: after[name] for name in after if name not in companions} == {
        name: answer[name] for name in answer if name not in companions
    }
    results = {day.day: day.result for day in verify(database, [*YEAR, *REST])}
    assert {results[day] for day in YEAR} == {"sealed"}
    assert {results[day] for day in REST} == {"verified"}
    status = read_status(database)
    assert find_problems(status) == []
    assert "365 days sealed, before 2026-01-01" in format_summary(status, [])
