"""The queries that read facts read no facts of other days or other clients."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.measure import prepare_working_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import connect

DAY = date(2024, 5, 1)
FACTS = {"event_access_logs", "event_survey_entries"}


@pytest.fixture(scope="module")
def busy(cluster: Cluster) -> Iterator[Database]:
    """60,000 facts of 200 clients over 60 days, in order of time, as a product writes them."""
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        fill(connection)
    yield database
    cluster.drop(url)


def fill(connection: psycopg.Connection) -> None:
    for statement in (
        "INSERT INTO clients (name) SELECT 'client ' || n FROM generate_series(1, 200) AS n",
        "INSERT INTO event_survey_campaigns (client_id, title, public_path, created_by) "
        "SELECT c.id, 'c', n::text, p.id FROM clients AS c, profiles AS p, generate_series(1, 3) AS n",
        "INSERT INTO webinars (client_id, title) SELECT id, 'w' FROM clients",
        "CREATE TEMP TABLE c AS SELECT id, row_number() OVER () AS n FROM event_survey_campaigns",
        "CREATE TEMP TABLE w AS SELECT id, row_number() OVER () AS n FROM webinars",
        "CREATE TEMP TABLE moment AS SELECT n, timestamptz '2024-04-01 00:00Z' + n * interval '86.4 s' AS at "
        "FROM generate_series(0, 59999) AS n",
        "INSERT INTO event_access_logs (campaign_id, session_id, utm_source, accessed_at, created_at) "
        "SELECT c.id, 's' || moment.n % 999, 'kakao', at, at FROM moment JOIN c ON c.n = moment.n % 600 + 1 "
        "ORDER BY at",
        "INSERT INTO event_access_logs (webinar_id, session_id, accessed_at, created_at) "
        "SELECT w.id, 's' || moment.n, at, at FROM moment JOIN w ON w.n = moment.n % 200 + 1 "
        "WHERE moment.n % 20 = 0 ORDER BY at",
        "INSERT INTO event_survey_entries (campaign_id, client_id, phone_norm, survey_no, code6, created_at) "
        "SELECT c.id, c.id, moment.n, moment.n, moment.n, at "
        "FROM moment JOIN c ON c.n = moment.n % 600 + 1 WHERE moment.n % 5 = 0 ORDER BY at",
        "VACUUM ANALYZE",
    ):
        connection.execute(statement)


def some_clients(database: Database) -> list[UUID]:
    with connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM clients LIMIT 5").fetchall()]


def plan(database: Database, clients: list[UUID] | None) -> list[dict[str, Any]]:
    """Every node of the plan for one day's facts, executed and counted."""
    with database.session() as connection:
        prepare_working_tables(connection)
        window = connection.execute(query("rebuild/day_window"), {"bucket_date": DAY}).mappings().one()
        explained = connection.scalar(
            text("EXPLAIN (ANALYZE, FORMAT JSON) " + query("rebuild/measure_groups").text),
            {"bucket_date": DAY, "clients": clients, **window},
        )
        connection.rollback()
    found = explained if isinstance(explained, list) else json.loads(str(explained))
    return list(nodes(found[0]["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def test_one_days_facts_are_read_without_reading_any_other_days(busy: Database) -> None:
    found = plan(busy, None)
    assert [n for n in found if n["Node Type"] == "Seq Scan" and n["Relation Name"] in FACTS] == []
    assert {n["Relation Name"] for n in found if "Relation Name" in n} >= FACTS


def test_a_few_clients_facts_are_read_through_their_campaigns(busy: Database) -> None:
    found = plan(busy, some_clients(busy))
    assert [n for n in found if n["Node Type"] == "Seq Scan" and n["Relation Name"] in FACTS] == []
    used = {n["Index Name"] for n in found if "Index Name" in n}
    assert {"event_access_logs_campaign_accessed_idx", "event_survey_entries_campaign_created_idx"} <= used
    assert "event_access_logs_webinar_accessed_idx" in used


@pytest.mark.parametrize("few", [False, True])
def test_data_quality_reads_one_day_alone_and_a_few_clients_through_their_campaigns(busy: Database, few: bool) -> None:
    with busy.session() as connection:
        connection.execute(query("quality/create_measured_quality"))
        window = connection.execute(query("rebuild/day_window"), {"bucket_date": DAY}).mappings().one()
        explained = connection.scalar(
            text("EXPLAIN (ANALYZE, FORMAT JSON) " + query("quality/measure_quality").text),
            {"clients": some_clients(busy) if few else None, **window},
        )
        connection.rollback()
    found = list(nodes((explained if isinstance(explained, list) else json.loads(str(explained)))[0]["Plan"]))
    assert [n for n in found if n["Node Type"] == "Seq Scan" and n["Relation Name"] in FACTS] == []
    used = {n["Index Name"] for n in found if "Index Name" in n}
    # Whether a visit names an entry is one index lookup per entry.
    assert "event_access_logs_entry_idx" in used
    if few:
        assert {"event_access_logs_campaign_accessed_idx", "event_survey_entries_campaign_created_idx"} <= used


def test_traffic_until_a_time_of_the_day_is_read_through_the_clients_campaigns(busy: Database) -> None:
    clients = some_clients(busy)
    with connect(busy) as connection:
        connection.execute(
            "INSERT INTO eventflow_stats.quality_days SELECT date '2024-05-01' - 7 * n, now() "
            "FROM generate_series(1, 4) AS n ON CONFLICT DO NOTHING"
        )
    with busy.session() as connection:
        explained = connection.scalar(
            text("EXPLAIN (ANALYZE, FORMAT JSON) " + query("quality/traffic_until_time").text),
            {
                "bucket_date": DAY,
                "elapsed": timedelta(hours=12),
                "weeks": 8,
                "clients": clients,
                "first_days": [date(2024, 4, 1)] * len(clients),
            },
        )
        connection.rollback()
    found = list(nodes((explained if isinstance(explained, list) else json.loads(str(explained)))[0]["Plan"]))
    assert [n for n in found if n["Node Type"] == "Seq Scan" and n["Relation Name"] in FACTS] == []
    assert "event_access_logs_campaign_accessed_idx" in {n["Index Name"] for n in found if "Index Name" in n}


def test_the_search_for_facts_before_the_first_computed_day_reads_no_later_facts(busy: Database) -> None:
    with busy.session() as connection:
        connection.execute(
            text("INSERT INTO eventflow_stats.days (bucket_date, rebuilt_at) VALUES (date '2024-04-01', now())")
        )
        explained = connection.scalar(
            text("EXPLAIN (ANALYZE, FORMAT JSON) " + query("status/missing_days_to_compute").text),
            {"first_day": date(2020, 1, 1), "last_day": date(2024, 6, 1), "read_since": date(2024, 5, 1)},
        )
        connection.rollback()
    found = explained if isinstance(explained, list) else json.loads(str(explained))
    reads = [node for node in nodes(found[0]["Plan"]) if node.get("Relation Name") in FACTS]
    assert {node["Relation Name"] for node in reads} == FACTS
    assert [node["Node Type"] for node in reads if node["Node Type"] == "Seq Scan"] == []
    # The last range of pages is in no BRIN summary until it is full.
    assert sum(node.get("Exact Heap Blocks", 0) + node.get("Lossy Heap Blocks", 0) for node in reads) <= 3 * 32


def test_a_dimension_is_computed_in_place_and_no_function_is_called_for_each_fact(busy: Database) -> None:
    with busy.session() as connection:
        lines = connection.scalars(text("EXPLAIN VERBOSE SELECT * FROM eventflow_stats.visit_facts")).all()
    assert [line for line in lines if "utm_value(" in line] == []
