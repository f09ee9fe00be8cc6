"""Answers of the read functions for ranges, with failing parts, and during changes."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats_tests.engine.postgres.inspecting import run
from eventflow_stats_tests.engine.reading.ask import STATEMENTS, ask, numbers_of, request
from eventflow_stats_tests.facts import Product, Visit, connect

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Shop:
    """A client with a campaign, a link and a member."""

    def __init__(self, database: Database) -> None:
        self.connection = connect(database)
        self.product = Product(self.connection)
        self.client = self.product.client()
        self.campaign = self.product.campaign(self.client)
        self.link = self.product.link(self.campaign).id
        self.member = uuid4()
        self.connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [self.client, self.member])


@pytest.fixture
def shop(database: Database) -> Any:
    made = Shop(database)
    yield made
    made.connection.close()


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2024-05-02", "2024-05-01", "from must not be after to"),
        ("9999-12-31", None, "from must not be after to"),
        ("2024-01-01", "2025-02-04", "the range must not be longer than 400 days"),
        ("0001-01-01", "9999-12-31", "the range must not be longer than 400 days"),
        ("-infinity", "infinity", "from and to must be days of the years 1 to 9999"),
        ("infinity", "2024-05-01", "from must not be after to"),
        ("-infinity", None, "from and to must be days of the years 1 to 9999"),
        (None, "infinity", "from and to must be days of the years 1 to 9999"),
        (None, "-infinity", "from and to must be days of the years 1 to 9999"),
        ("0044-03-15 BC", "2024-05-01", "from and to must be days of the years 1 to 9999"),
        ("2024-05-01", "10000-01-01", "from and to must be days of the years 1 to 9999"),
    ],
)
def test_a_range_that_cannot_be_answered_is_refused_with_a_message_of_ours(
    database: Database, shop: Shop, first: str | None, last: str | None, message: str
) -> None:
    with request(database, shop.member) as reader:
        for function in STATEMENTS:
            with pytest.raises(psycopg.Error) as refused:
                ask(reader, function, shop.client, first, last, link=shop.link)
            assert (refused.value.sqlstate, refused.value.diag.message_primary) == ("PT400", message)


def test_a_missing_id_is_refused_and_a_stranger_gets_no_error_about_ranges(database: Database, shop: Shop) -> None:
    with request(database, shop.member) as reader:
        for function in STATEMENTS:
            with pytest.raises(psycopg.Error, match="client_id is missing") as refused:
                ask(reader, function, None, link=shop.link)
            assert refused.value.sqlstate == "PT400"
        with pytest.raises(psycopg.Error, match="link_id is missing") as refused:
            ask(reader, "link_stats", shop.client)
        assert refused.value.sqlstate == "PT400"
    with request(database, uuid4()) as reader:
        for function in STATEMENTS:
            with pytest.raises(psycopg.Error) as refused:
                ask(reader, function, shop.client, "2024-05-02", "2024-05-01", link=shop.link)
            assert refused.value.sqlstate == "PT404"


def test_four_hundred_days_are_answered_each_with_its_numbers(database: Database, shop: Shop) -> None:
    shop.product.add(Visit(at=NOON, campaign_id=shop.campaign, link_id=shop.link))
    first = NOON.date() - timedelta(days=399)
    with request(database, shop.member) as reader:
        answer = ask(reader, "link_stats", shop.client, first, NOON.date(), link=shop.link)
    assert [day["date"] for day in answer["daily_data"]] == [str(first + timedelta(days=n)) for n in range(400)]
    assert [day["visits"] for day in answer["daily_data"]] == [0] * 399 + [1]


def test_thirty_days_through_today_in_the_bucket_time_zone_are_the_default(new_database: Any) -> None:
    database = new_database("Pacific/Kiritimati")
    shop = Shop(database)
    with shop.connection, request(database, shop.member) as reader:
        today = "SELECT CAST(now() AT TIME ZONE 'Pacific/Kiritimati' AS date)"
        before = _one(reader, today)
        ranges = [ask(reader, name, shop.client, link=shop.link)["date_range"] for name in STATEMENTS]
        ranges.append(ask(reader, "summary", shop.client, before - timedelta(days=3))["date_range"])
        ranges.append(ask(reader, "summary", shop.client, None, "2024-03-01")["date_range"])
        assert _one(reader, today) == before, "the day changed under the test: run it again"
    default = {"from": str(before - timedelta(days=29)), "to": str(before)}
    assert ranges == [
        *[default] * 4,
        {"from": str(before - timedelta(days=3)), "to": str(before)},
        {"from": "2024-02-01", "to": "2024-03-01"},
    ]


def test_a_client_without_anything_has_zeros_and_empty_lists(database: Database) -> None:
    with connect(database) as connection:
        client, member = Product(connection).client(), uuid4()
        connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [client, member])
    with request(database, member) as reader:
        summary = ask(reader, "summary", client, "2024-05-01", "2024-05-01")
        links = ask(reader, "links", client, "2024-05-01", "2024-05-01")
    assert {key: value for key, value in summary.items() if not key.startswith(("_", "date"))} == {
        "total_conversions": 0, "total_visits": 0, "avg_cvr": 0, "active_links": 0,
        "conversions_by_source": [], "conversions_by_medium": [], "conversions_by_campaign": [],
        "conversions_by_combo": [], "conversions_by_link": [],
        "tracking_metadata": {"tracked_count": 0, "untracked_count": 0, "tracking_success_rate": "0.0%"},
    }  # fmt: skip
    assert links["links"] == []
    assert links["unlinked"] == {"conversion_count": 0, "visits_count": 0, "cvr": 0}


def test_an_answer_does_not_depend_on_the_sessions_settings(database: Database, shop: Shop) -> None:
    shop.product.add(Visit(at=NOON.replace(hour=23), campaign_id=shop.campaign, utm_source="a"))
    with request(database, shop.member) as reader:
        asked = (shop.client, date(2024, 5, 1), date(2024, 5, 1))
        list(rebuild(database, [NOON.date()]))
        before = [ask(reader, name, *asked, link=shop.link) for name in ("summary", "links", "link_stats")]
        for setting in ("TimeZone = 'Asia/Seoul'", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'"):
            reader.execute(f"SET {setting}".encode())
        after = [ask(reader, name, *asked, link=shop.link) for name in ("summary", "links", "link_stats")]
    for answer in (*before, *after):
        for link in answer.get("links", []):
            # Columns of the product: PostgreSQL writes their instants in the time zone of the session.
            del link["created_at"], link["updated_at"]
    assert before == after
    assert before[0]["total_visits"] == 1


@pytest.mark.parametrize(
    ("broken", "blocks", "totals"),
    [
        ("eventflow_stats.webinar_registrations", {"webinars"}, {"total_webinars"}),
        ("eventflow_stats.client_campaigns", {"campaigns"}, {"total_campaigns"}),
        (
            "public.marketing_stats_daily",
            {"marketing", "campaigns", "links"},
            {"total_conversions", "total_visits", "total_campaigns", "total_links"},
        ),
    ],
)
def test_a_block_that_fails_is_null_and_marked_and_the_others_are_answered(
    database: Database, shop: Shop, broken: str, blocks: set[str], totals: set[str]
) -> None:
    run(database, f"REVOKE SELECT ON {broken} FROM eventflow_stats_reader")
    with request(database, shop.member) as reader:
        answer = ask(reader, "overview", shop.client, "2024-05-01", "2024-05-01")
        names = {"marketing", "webinars", "campaigns", "links"}
        assert {name for name in names if answer[name] is None} == blocks
        sources = answer["_metadata"]["data_sources"]
        assert {name for name in names if sources[name] == "error"} == blocks
        assert {name for name, value in answer["summary"].items() if value is None} == totals


def test_registrations_are_counted_in_the_range_and_of_own_webinars(database: Database, shop: Shop) -> None:
    own, other = shop.product.webinar(shop.client), shop.product.webinar(shop.product.client())
    for webinar, moment in ((own, NOON), (own, NOON - timedelta(days=1)), (other, NOON)):
        shop.connection.execute(
            "INSERT INTO registrations (webinar_id, user_id, created_at) VALUES (%s, %s, %s)",
            [webinar, uuid4(), moment],
        )
    with request(database, shop.member) as reader:
        answer = ask(reader, "overview", shop.client, NOON.date(), NOON.date())
    assert answer["webinars"] == {"total_webinars": 1, "total_registrants": 1, "_source": "raw"}
    assert answer["_metadata"]["response_time_ms"] >= 0
    assert datetime.fromisoformat(answer["_metadata"]["generated_at"]).tzinfo is not None


def test_one_statement_is_one_snapshot_even_if_days_are_rebuilt_while_it_runs(database: Database, shop: Shop) -> None:
    """The second answer of the statement is made after the rebuild committed, and must not see it."""
    shop.product.add(Visit(at=NOON, campaign_id=shop.campaign, session_id="first"))
    list(rebuild(database, [NOON.date()]))
    shop.product.add(Visit(at=NOON, campaign_id=shop.campaign, session_id="second"))
    found: list[Any] = []

    def read_twice() -> None:
        with request(database, shop.member) as reader:
            found.append(_one(reader, _twice(shop.client)))

    shop.connection.execute("SELECT pg_advisory_lock(7)")
    reading = threading.Thread(target=read_twice)
    reading.start()
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 7"
    while not _one(shop.connection, waits):
        assert reading.is_alive()
    list(rebuild(database, [NOON.date()]))
    shop.connection.execute("SELECT pg_advisory_unlock(7)")
    reading.join()
    assert found == [[1, 1]]
    with request(database, shop.member) as reader:
        assert ask(reader, "summary", shop.client, NOON.date(), NOON.date())["total_visits"] == 2


def _twice(client: UUID) -> str:
    visits = f"marketing_summary('{client}', '{NOON.date()}', '{NOON.date()}') -> 'total_visits'"
    return f"SELECT json_build_array({visits}, CASE WHEN pg_advisory_lock(7) IS NOT NULL THEN {visits} END)"


def _one(connection: "psycopg.Connection[Any]", statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_visit_after_the_clock_was_set_back_over_midnight_is_on_the_same_day_as_in_the_rollup(
    new_database: Any,
) -> None:
    database, day = new_database("America/St_Johns"), date(2010, 11, 7)
    shop = Shop(database)
    at = datetime(2010, 11, 7, 3, tzinfo=UTC)
    shop.product.add(Visit(at=at, ingested_at=at, campaign_id=shop.campaign, link_id=shop.link))
    with shop.connection, request(database, shop.member) as reader:
        raw = ask(reader, "link_stats", shop.client, day, day, link=shop.link)
        list(rebuild(database, [day]))
        aggregated = ask(reader, "link_stats", shop.client, day, day, link=shop.link)

    assert (raw["_source"], aggregated["_source"]) == ("raw", "aggregated")
    assert raw["stats"]["visits"] == 1
    assert numbers_of(raw) == numbers_of(aggregated)
