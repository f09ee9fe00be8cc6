"""The alarms and goals of data quality: each finds its anomaly, and nothing else."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality import anomalies as anomalies
from eventflow_stats.engine.quality.anomalies import (
    LEAST_VISITS,
    UsualTraffic,
    clients_without_visits,
    overrun_links,
    silent_until,
    stopped_on,
)
from eventflow_stats.engine.quality.goals import goal_results
from eventflow_stats_tests.engine.quality.quality_rows import know, quality_row
from eventflow_stats_tests.facts import Product, Visit, connect

TODAY = date(2025, 6, 4)
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def product(database: Database) -> Iterator[Product]:
    with connect(database) as connection:
        yield Product(connection)


def found(database: Database, find_anomalies: Callable[..., list[Any]], *about: object) -> list[Any]:
    with database.session() as connection:
        return find_anomalies(connection, *about)


@pytest.mark.parametrize(
    ("usual", "weeks", "visits", "alert_on_error"),
    [
        (100, 8, 0, True),
        (100, 4, 3, True),
        # Traffic fell and did not stop.
        (100, 8, 11, False),
        (20_000, 8, 15_000, False),
        # Too few weeks, or too few visits, to know the usual traffic.
        (100, 3, 0, False),
        (LEAST_VISITS, 8, 0, True),
        (LEAST_VISITS - 1, 8, 0, False),
        (30, 8, 1, False),
    ],
)
def test_traffic_that_stopped_yesterday_is_reported_except_of_small_clients(
    database: Database, product: Product, usual: int, weeks: int, visits: int, alert_on_error: bool
) -> None:
    client = product.client("acme")
    for week in range(1, weeks + 1):
        quality_row(product.connection, client, YESTERDAY - timedelta(days=7 * week), visits=usual + week % 2)
    know(product.connection, YESTERDAY, *(YESTERDAY - timedelta(days=7 * week) for week in range(9)))
    if visits:
        quality_row(product.connection, client, YESTERDAY, visits=visits)

    stopped = found(database, stopped_on, YESTERDAY)

    assert [(item.client_name, item.visits, item.usual) for item in stopped] == (
        [("acme", visits, UsualTraffic(usual, weeks, 0))] * alert_on_error
    )


def test_a_missing_day_is_ignored_and_a_day_without_visits_is_an_outage(database: Database, product: Product) -> None:
    client = product.client()
    weekdays = {week: YESTERDAY - timedelta(days=7 * week) for week in range(1, 9)}
    for week in (1, 2, 4, 5):
        quality_row(product.connection, client, weekdays[week], visits=50)
    (stopped,) = found(database, stopped_on, YESTERDAY)
    assert stopped.usual == UsualTraffic(50, 4, 0)

    know(product.connection, weekdays[3])
    (stopped,) = found(database, stopped_on, YESTERDAY)
    assert stopped.usual == UsualTraffic(50, 4, 1)

    # A second outage: this is the pattern of the client.
    quality_row(product.connection, client, weekdays[8], visits=50)
    know(product.connection, weekdays[7], weekdays[6])
    assert found(database, stopped_on, YESTERDAY) == []


def test_the_alarm_stays_while_traffic_is_gone_and_ends_when_the_client_has_left(
    database: Database, product: Product
) -> None:
    client = product.client("acme")
    for week in range(1, 13):
        quality_row(product.connection, client, YESTERDAY - timedelta(days=7 * week), visits=50)

    message = []
    for week in range(7):
        day = YESTERDAY + timedelta(days=7 * week)
        know(product.connection, day)
        message.append([client.usual.left_out for client in found(database, stopped_on, day)])

    assert message == [[0], [1], [2], [3], [4], [], []]


def test_an_outage_that_is_over_does_not_hide_the_next_one(database: Database, product: Product) -> None:
    client = product.client("acme")
    for week in range(1, 9):
        visits = 2 if week in (3, 4) else 50
        quality_row(product.connection, client, YESTERDAY - timedelta(days=7 * week), visits=visits)
    know(product.connection, YESTERDAY)

    (stopped,) = found(database, stopped_on, YESTERDAY)
    assert stopped.usual == UsualTraffic(50, 6, 2)
    assert found(database, stopped_on, YESTERDAY - timedelta(days=7)) == []


@pytest.mark.parametrize("quiet", [0, 20])
@pytest.mark.parametrize("every", [2, 3, 4])
def test_a_client_with_an_event_every_few_weeks_is_not_alarmed(
    database: Database, product: Product, every: int, quiet: int
) -> None:
    client = product.client()
    for week in range(40):
        visits = quiet if week % every else 500
        quality_row(product.connection, client, YESTERDAY - timedelta(days=7 * week), visits=visits)

    for week in range(20):
        assert found(database, stopped_on, YESTERDAY - timedelta(days=7 * week)) == []


def test_a_client_without_visits_today_is_reported_when_it_always_had_some_by_this_time(
    database: Database, product: Product
) -> None:
    client = product.client("acme")
    campaign = product.campaign(client)
    for week in range(1, 6):
        day = TODAY - timedelta(days=7 * week)
        morning = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
        product.add(
            *(Visit(at=morning + timedelta(minutes=n), campaign_id=campaign, session_id=str(n)) for n in range(60))
        )
        quality_row(product.connection, client, day, visits=60)

    assert found(database, silent_until, TODAY, timedelta(hours=8, minutes=LEAST_VISITS - 1)) == []
    (silent,) = found(database, silent_until, TODAY, timedelta(hours=8, minutes=LEAST_VISITS))
    assert (silent.client_name, silent.visits, silent.usual) == ("acme", 0, UsualTraffic(LEAST_VISITS, 5, 0))

    # After an outage of the whole day a week ago, today is still reported.
    week_ago = TODAY - timedelta(days=7)
    product.connection.execute("DELETE FROM event_access_logs WHERE accessed_at::date = %s", [week_ago])
    product.connection.execute(
        "UPDATE eventflow_stats.marketing_data_quality_daily SET visits = 0 WHERE bucket_date = %s", [week_ago]
    )
    (silent,) = found(database, silent_until, TODAY, timedelta(hours=8, minutes=LEAST_VISITS))
    assert silent.usual == UsualTraffic(LEAST_VISITS, 4, 1)

    product.add(Visit(at=datetime(2025, 6, 4, 8, tzinfo=UTC), campaign_id=campaign, session_id="one"))
    assert found(database, silent_until, TODAY, timedelta(hours=12)) == []


def test_entries_without_any_visit_are_reported_from_the_third_on(database: Database, product: Product) -> None:
    for name, counts in {
        "broken": {"entries": 8, "linked_entries": 5},
        "few": {"entries": 2},
        "of a visit before midnight": {"entries": 8, "linked_entries": 6},
        "well": {"entries": 30, "visits": 1},
    }.items():
        quality_row(product.connection, product.client(name), TODAY, **counts)

    message = found(database, clients_without_visits, TODAY, timedelta(hours=1))

    assert [(item.client_name, item.entries) for item in message] == [("broken", 8)]
    # They may follow visits from before midnight.
    assert found(database, clients_without_visits, TODAY, timedelta(minutes=59)) == []


def test_a_link_with_more_conversions_than_visits_over_a_week_is_reported(database: Database, product: Product) -> None:
    campaign = product.campaign(product.client("acme"))
    broken, late, well = (product.link(campaign) for _ in range(3))
    for link, days_ago, visits, conversions in (
        *((broken, 0, 1, 3), (broken, 6, 1, 2)),
        # A visit before midnight with its conversion after midnight, and older days.
        *((late, 1, 4, 0), (late, 0, 0, 4), (late, 7, 0, 9)),
        (well, 0, 9, 9),
    ):
        product.connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, marketing_campaign_link_id, visits, "
            "conversions) VALUES (gen_random_uuid(), %s, %s, %s, %s, %s)",
            [link.client_id, TODAY - timedelta(days=days_ago), link.id, visits, conversions],
        )

    message = found(database, overrun_links, TODAY)

    assert [(item.client_name, item.link_id, item.visits, item.conversions) for item in message] == [
        ("acme", broken.id, 2, 5)
    ]


def test_each_goal_names_the_clients_that_miss_it_and_leaves_out_those_with_too_few_facts(
    database: Database, product: Product
) -> None:
    good = {"visit_facts_with_utm": 60, "linked_entries": 70, "tracked_entries": 80, "unknown_facts": 20}
    bad = {"visit_facts_with_utm": 119, "linked_entries": 69, "tracked_entries": 79, "unknown_facts": 21}
    for name, counts in (
        ("good", {"visit_facts": 100, "entries": 100, **good, "visit_facts_with_utm": 120}),
        ("bad", {"visit_facts": 100, "entries": 100, **bad}),
        ("small", {"visit_facts": 0, "entries": 49, "unknown_facts": 49}),
    ):
        quality_row(product.connection, product.client(name), TODAY, **counts)

    checked = goal_results(database, [TODAY], 10)

    goals = ("linkage_rate", "tracking_success_rate", "unknown_rate", "utm_fill_rate")
    assert [(day.goal, day.client_name, day.missed) for day in checked] == [
        (goal, name, name == "bad") for goal in goals for name in ("bad", "good")
    ]
    assert {(day.checked, day.missed_client_days) for day in checked} == {(2, 1)}


def test_a_goal_is_compared_with_the_counts_not_with_the_rounded_rate(database: Database, product: Product) -> None:
    entries = 100_000
    exactly = {"visit_facts": 0, "entries": entries, "linked_entries": 70_000, "tracked_entries": 80_000}
    for name, less in (("reaches", 0), ("misses by a hair", 4)):
        counts = {**exactly, "unknown_facts": 10_000 + less, "visit_facts_with_utm": entries}
        counts |= {of: counts[of] - less for of in ("linked_entries", "tracked_entries")}
        quality_row(product.connection, product.client(name), TODAY, **counts)

    checked = goal_results(database, [TODAY], 10)

    assert {day.rate for day in checked} == {70, 10, 80, 100}
    assert {(day.goal, day.client_name) for day in checked if day.missed} == {
        (goal, "misses by a hair") for goal in ("linkage_rate", "tracking_success_rate", "unknown_rate")
    }


def test_all_alarms_and_the_freshness_of_data_quality_are_read_together(database: Database, product: Product) -> None:
    found_anomalies = anomalies.find_anomalies(database, TODAY)
    assert (
        found_anomalies.freshness.today_computed_at,
        found_anomalies.freshness.is_yesterday_closed,
        found_anomalies.stopped,
    ) == (None, False, [])
    know(product.connection, TODAY, YESTERDAY)
    assert anomalies.find_anomalies(database, TODAY).freshness.is_yesterday_closed
