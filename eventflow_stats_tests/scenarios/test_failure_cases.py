"""Every known way in which a rollup goes wrong, each followed by a whole round of maintenance.

| case | test |
|---|---|
| disappeared group | test_disappeared_group |
| all-NULL dimensions | test_all_null_dimensions |
| literal ``__null__`` | test_literal_null_text |
| ``|`` inside a UTM | test_bar_inside_a_utm |
| session across midnight | test_session_across_midnight |
| 23- and 25-hour day | test_23_and_25_hour_day |
| UPDATE moving a fact to another day or group | test_update_moving_a_fact_to_another_day_or_group |
| DELETE of a whole day | test_delete_of_a_whole_day |
| back-dated insert | test_back_dated_insert |
| fact with unknown client | test_fact_with_unknown_client |
| transaction open before a refresh and committed after | test_failure_cases_at_once |
| prepared transaction | test_failure_cases_at_once |
| two refreshes of one day at once | test_failure_cases_at_once |
| stale again while being computed | test_failure_cases_at_once |
| backfill of one client while the schedule runs | test_backfill_beside_the_schedule |
| kill -9 in the middle of a rebuild | engine/rollup/test_rebuild_interrupted.py, test_kill_9_... |
| database restart in the middle | test_failure_cases_cut_short |
| disk full | test_failure_cases_cut_short |
| statement timeout | test_failure_cases_cut_short |
| 1,000 days backfilled in one range | test_backfill_of_a_thousand_days |
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.facts import Entry, Visit, connect
from eventflow_stats_tests.rollup import whole_rows
from eventflow_stats_tests.scenarios.maintained_shop import DAY, NEXT, Shop, at, now, shop

__all__ = ["shop"]


def test_disappeared_group(shop: Shop) -> None:
    gone = Visit(at=at(DAY), campaign_id=shop.campaign, session_id="second", utm_source="gone")
    shop.product.add(gone)
    shop.maintain()
    assert len(shop.require_right_rollup()) == 5
    theirs = whole_rows(shop.connection, shop.theirs)

    shop.product.delete([gone])

    assert shop.maintain() == [DAY]
    assert len(shop.require_right_rollup()) == 4
    assert whole_rows(shop.connection, shop.theirs) == theirs


def test_all_null_dimensions(shop: Shop) -> None:
    webinar = shop.product.webinar(shop.ours)
    for session in ("one", "two", "two"):
        shop.product.add(Visit(at=at(DAY), ingested_at=now(), webinar_id=webinar, session_id=session))
        assert shop.maintain() == [DAY]

    found = {group: numbers for group, numbers in shop.require_right_rollup().items() if group.campaign_id is None}
    ((group, numbers),) = found.items()
    assert group[2:] == (None,) * 5
    assert (numbers.visits, numbers.conversions) == (2, 0)


def with_utm(shop: Shop, **utm: str | None) -> Visit:
    return Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="first", **utm)  # type: ignore[arg-type]


def utms(shop: Shop) -> set[tuple[str | None, ...]]:
    """Return the UTM values of our client's groups of the day."""
    return {
        group[4:] for group in shop.require_right_rollup() if (group.client_id, group.bucket_date) == (shop.ours, DAY)
    }


def test_literal_null_text(shop: Shop) -> None:
    shop.product.add(with_utm(shop, utm_source="__null__"), with_utm(shop), with_utm(shop, utm_campaign="__null__"))

    assert shop.maintain() == [DAY]
    assert utms(shop) == {(None, None, None), ("__null__", None, None), (None, None, "__null__")}


def test_bar_inside_a_utm(shop: Shop) -> None:
    shop.product.add(
        with_utm(shop, utm_source="a|b", utm_medium="c"),
        with_utm(shop, utm_source="a", utm_medium="b|c"),
        with_utm(shop, utm_source="a|b|c"),
        with_utm(shop, utm_source="a", utm_medium="b", utm_campaign="c"),
    )

    assert shop.maintain() == [DAY]
    assert utms(shop) == {
        (None, None, None),
        ("a|b", "c", None),
        ("a", "b|c", None),
        ("a|b|c", None, None),
        ("a", "b", "c"),
    }


def test_session_across_midnight(shop: Shop) -> None:
    midnight = at(NEXT, 0)
    shop.product.add(
        *(
            Visit(at=moment, ingested_at=now(), campaign_id=shop.campaign, session_id="night", utm_source="night")
            for moment in (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(hours=1))
        )
    )

    assert shop.maintain() == [DAY, NEXT]
    nights = {g.bucket_date: n.visits for g, n in shop.require_right_rollup().items() if g.utm_source == "night"}
    assert nights == {DAY: 1, NEXT: 1}


@pytest.mark.parametrize(
    ("zone", "day", "starts", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        ("Europe/Berlin", date(2025, 10, 26), datetime(2025, 10, 25, 22, tzinfo=UTC), 25),
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC), 23),
        ("America/New_York", date(2025, 11, 2), datetime(2025, 11, 2, 4, tzinfo=UTC), 25),
    ],
)
def test_23_and_25_hour_day(
    new_database: Callable[[str], Database], zone: str, day: date, starts: datetime, hours: int
) -> None:
    database = new_database(zone)
    with connect(database) as connection:
        shop = Shop(database, connection)
        instant, ends = timedelta(microseconds=1), starts + timedelta(hours=hours)
        # A visit in every hour, and at both edges, to the microsecond.
        moments = [starts - instant, *(starts + timedelta(hours=hour) for hour in range(hours)), ends - instant, ends]
        shop.product.add(
            *(
                Visit(at=moment, ingested_at=now(), campaign_id=shop.campaign, session_id=str(moment))
                for moment in moments
            )
        )

        days = [day - timedelta(days=1), day, day + timedelta(days=1)]
        assert shop.maintain() == days
        visits = {group.bucket_date: numbers.visits for group, numbers in shop.require_right_rollup().items()}
        assert [visits[one] for one in days] == [1, hours + 1, 1]


@pytest.mark.parametrize(
    ("change", "stale"),
    [({"at": at(NEXT)}, [DAY, NEXT]), ({"utm_source": "moved"}, [DAY]), ({"campaign_id": "theirs"}, [DAY])],
    ids=["another day", "another group", "another client"],
)
def test_update_moving_a_fact_to_another_day_or_group(shop: Shop, change: dict[str, Any], stale: list[date]) -> None:
    """The ingest time of the fact is long ago, so detection does not see the change."""
    fact = next(v for v in shop.world.visits.values() if (v.at, v.campaign_id) == (at(DAY), shop.campaign))
    if "campaign_id" in change:
        change = {"campaign_id": shop.other_campaign}

    shop.product.change(fact, **change)

    assert shop.detected() == {}
    assert shop.maintain() == stale
    shop.require_right_rollup()


def test_delete_of_a_whole_day(shop: Shop) -> None:
    shop.product.add(Entry(at=at(DAY), campaign_id=shop.campaign))
    shop.maintain()

    facts: list[Visit | Entry] = [*shop.world.visits.values(), *shop.world.entries.values()]
    shop.product.delete([fact for fact in facts if fact.at == at(DAY)])

    assert shop.detected() == {}, "detection does not see a DELETE"
    assert shop.swept() == {DAY: 2}
    assert shop.maintain() == [DAY]
    assert {group.bucket_date for group in shop.require_right_rollup()} == {NEXT}


def test_back_dated_insert(shop: Shop) -> None:
    """An import of old data writes rows whose ingest time is years ago."""
    shop.product.add(
        Visit(at=at(DAY), ingested_at=at(DAY), campaign_id=shop.campaign, session_id="imported"),
        Entry(at=at(NEXT), campaign_id=shop.other_campaign),
    )

    assert shop.detected() == {}
    assert shop.maintain() == [DAY, NEXT]
    assert sum(numbers.conversions for numbers in shop.require_right_rollup().values()) == 1


def test_fact_with_unknown_client(shop: Shop) -> None:
    webinar = shop.product.webinar(None)
    shop.product.add(Visit(at=at(DAY), ingested_at=now(), webinar_id=webinar, session_id="whose"))

    assert shop.maintain() == []
    unresolved = "SELECT unresolved_facts FROM eventflow_stats.days WHERE bucket_date = '2026-03-04'"
    assert shop.connection.execute(unresolved).fetchone() == (1,)
    assert len(shop.require_right_rollup()) == 4, "the fact is in no number"

    shop.connection.execute("UPDATE webinars SET client_id = %s WHERE id = %s", [shop.ours, webinar])
    shop.world.webinars[webinar] = shop.ours

    assert shop.maintain() == [DAY]
    assert len(shop.require_right_rollup()) == 5
    assert shop.connection.execute(unresolved).fetchone() == (0,)
