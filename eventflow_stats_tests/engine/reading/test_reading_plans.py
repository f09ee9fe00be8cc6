"""The read functions read rollup and facts only by index, and no other client's rows. Measured, not explained:
PostgreSQL counts in each transaction how often it scanned a table or index, and how many rows it fetched. So the
plan that ran is tested, with row-level security and cached plans."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.postgres.test_query_plans import fill
from eventflow_stats_tests.engine.reading.ask import STATEMENTS, ask, request
from eventflow_stats_tests.facts import connect

FIRST, DAYS = date(2024, 4, 1), 60
LAST = FIRST + timedelta(days=29)
RAW_DAY = FIRST + timedelta(days=40)
FACTS = ("event_access_logs", "event_survey_entries")
MORE_THAN_A_GENERIC_PLAN_NEEDS = 8
"""PostgreSQL uses a generic plan after five executions."""


class Busy(NamedTuple):
    database: Database
    client: UUID
    link: UUID
    member: UUID


@pytest.fixture(scope="module")
def busy(cluster: Cluster) -> Iterator[Busy]:
    """Facts of 200 clients over 60 days; all days but one are in a rollup of 108,000 rows."""
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        fill(connection)
        connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, campaign_id, utm_source, visits) "
            "SELECT gen_random_uuid(), c.client_id, %s::date + day, c.id, source::text, 1 "
            "FROM event_survey_campaigns AS c, generate_series(0, %s) AS day, generate_series(1, 3) AS source",
            [FIRST, DAYS - 1],
        )
        connection.execute(
            "INSERT INTO eventflow_stats.days (bucket_date, rebuilt_at) "
            "SELECT %s::date + day, now() FROM generate_series(0, %s) AS day WHERE %s::date + day <> %s",
            [FIRST, DAYS - 1, FIRST, RAW_DAY],
        )
        client, link, member = _one(connection, "SELECT id FROM clients ORDER BY name LIMIT 1"), uuid4(), uuid4()
        connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [client, member])
        connection.execute(
            "INSERT INTO campaign_link_meta (id, client_id, name, target_campaign_id) "
            "SELECT %s, %s, 'a link', id FROM event_survey_campaigns WHERE client_id = %s LIMIT 1",
            [link, client, client],
        )
        connection.execute("VACUUM ANALYZE")
    yield Busy(database, client, link, member)
    cluster.drop(url)


class Counted(NamedTuple):
    sequential_scans: int
    index_scans: int
    rows_by_index: int
    rows_in_sequence: int


def counted(
    busy: Busy, function: str, first: date, last: date, times: int
) -> tuple[dict[str, Counted], dict[str, Any], set[str]]:
    """The scans and rows of each table during some calls; an answer; the indexes used."""
    with request(busy.database, busy.member) as reader, reader.transaction():
        for _ in range(times):
            answer = ask(reader, function, busy.client, first, last, link=busy.link)
        found = reader.execute(
            "SELECT relname, coalesce(seq_scan, 0), coalesce(idx_scan, 0), coalesce(idx_tup_fetch, 0), "
            "coalesce(seq_tup_read, 0) FROM pg_stat_xact_all_tables"
        ).fetchall()
        used = reader.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'i' AND pg_stat_get_xact_numscans(oid) > 0"
        ).fetchall()
    return {name: Counted(*rest) for name, *rest in found}, answer, {name for (name,) in used}


@pytest.mark.parametrize("function", STATEMENTS)
def test_an_answer_from_the_rollup_reads_the_clients_rows_once_and_no_fact(busy: Busy, function: str) -> None:
    times = MORE_THAN_A_GENERIC_PLAN_NEEDS
    tables, answer, _ = counted(busy, function, FIRST, LAST, times)
    assert answer["_source"] == "aggregated"
    rollup = tables["marketing_stats_daily"]
    assert rollup.sequential_scans == 0
    # The only link of the client has no visits. It is found by the index on links.
    assert rollup.rows_by_index == (0 if function == "link_stats" else times * 30 * 9)
    for name in FACTS:
        assert tables[name] == (0, 0, 0, 0)
    # Membership and ledger are found by key, however many other rows there are.
    for name in ("client_members", "client_days", "discrepancies"):
        assert tables[name].rows_in_sequence <= times * 2, name


@pytest.mark.parametrize("function", STATEMENTS)
def test_a_day_measured_from_facts_reads_the_clients_facts_of_that_day_alone(busy: Busy, function: str) -> None:
    times = MORE_THAN_A_GENERIC_PLAN_NEEDS
    tables, answer, used = counted(busy, function, RAW_DAY - timedelta(days=9), RAW_DAY + timedelta(days=9), times)
    assert answer["_coverage"] == {"aggregated_days": 18, "raw_days": 1}
    assert tables["marketing_stats_daily"].sequential_scans == 0
    # About 60,000 facts of 200 clients over 60 days: a client has five visits on a day.
    for name in FACTS:
        assert tables[name].sequential_scans == 0, name
        assert 0 < tables[name].rows_by_index <= times * 12, name
    assert {"event_access_logs_campaign_accessed_idx", "event_survey_entries_campaign_created_idx"} <= used


def test_many_days_measured_from_facts_read_no_other_clients_facts_either(busy: Busy) -> None:
    with connect(busy.database) as connection, connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM eventflow_stats.days")
        connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [f'{{"sub": "{busy.member}"}}'])
        connection.execute("SET LOCAL ROLE authenticated")
        answer = ask(connection, "summary", busy.client, FIRST - timedelta(days=300), FIRST + timedelta(days=DAYS))
        assert answer["_source"] == "raw"
        own = answer["total_visits"]
        for name in FACTS:
            row = connection.execute(
                "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relname = %s", [name]
            ).fetchone()
            assert row is not None
            assert row[0] == 0, name
            assert row[1] <= 2 * own, name


def test_an_explanation_reads_the_clients_facts_of_three_days_and_no_other_clients(busy: Busy) -> None:
    times = MORE_THAN_A_GENERIC_PLAN_NEEDS
    asked = "SELECT public.marketing_explain(client_id => %s, day => %s, utm_source => 'kakao', campaign_id => %s)"
    with connect(busy.database) as connection:
        campaign = _one(
            connection,
            "SELECT campaign_id::text FROM eventflow_stats.visit_facts WHERE utm_source = 'kakao' AND client_id = "
            f"'{busy.client}' AND event_at >= '{RAW_DAY}' AND event_at < '{RAW_DAY + timedelta(days=1)}' LIMIT 1",
        )
    with request(busy.database, busy.member) as reader, reader.transaction():
        for _ in range(times):
            (message,) = reader.execute(asked.encode(), [busy.client, RAW_DAY, campaign]).fetchone() or (None,)
        found = reader.execute(
            "SELECT relname, seq_scan, idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relname = ANY (%s)",
            [[*FACTS, "marketing_stats_daily"]],
        ).fetchall()
    assert message is not None
    assert message["explanation"]["counted"]["visit_rows"] > 0
    assert {name for name, _, _ in found} == {*FACTS, "marketing_stats_daily"}
    for name, scans, rows in found:
        assert scans == 0, name
        # The day for the list of groups, and three days for the one group; ten rows of the rollup, twice.
        assert 0 < rows <= times * 48, name


def _one(connection: "psycopg.Connection[Any]", statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]
