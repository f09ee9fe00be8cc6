"""The sweep finds facts that were changed or deleted, and makes their client-days stale."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from uuid import uuid4

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep, sweep_due_days
from eventflow_stats.engine.status.due_work import missing_days_to_compute
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, shop
from eventflow_stats_tests.facts import Entry, Product, Visit, connect

__all__ = ["shop"]


def swept(shop: Shop) -> dict[date, int]:
    """How many client-days a sweep of both days found to have changed facts, by day."""
    return {
        day.day: day.changed_client_days for day in sweep(shop.database, [DAY, LONG_AGO]) if day.changed_client_days
    }


def refresh_all(shop: Shop) -> bool:
    list(refresh(shop.database, [DAY, LONG_AGO]))
    return shop.is_right()


def test_unchanged_facts_make_nothing_stale(shop: Shop) -> None:
    assert swept(shop) == {}


def test_an_update_of_an_old_fact_makes_only_its_client_day_stale(shop: Shop) -> None:
    visit = next(fact for fact in shop.product.world.visits.values() if fact.at == noon(LONG_AGO))
    shop.product.change(visit, utm_source="kakao")

    assert detect(shop.database).stale_client_days == {}, "detection does not find this update; the sweep does"
    assert swept(shop) == {LONG_AGO: 1}
    assert refresh_all(shop)
    assert swept(shop) == {}


def test_an_update_of_the_day_of_a_fact_makes_both_days_stale(shop: Shop) -> None:
    visit = next(fact for fact in shop.product.world.visits.values() if fact.at == noon(LONG_AGO))
    shop.product.change(visit, at=noon(DAY))

    assert swept(shop) == {DAY: 1, LONG_AGO: 1}
    assert refresh_all(shop)


def test_the_deletion_of_every_fact_of_a_client_day_is_found(shop: Shop) -> None:
    shop.product.delete([fact for fact in shop.product.world.visits.values() if fact.at == noon(LONG_AGO)])

    assert swept(shop) == {LONG_AGO: 1}
    assert refresh_all(shop)


def test_a_back_dated_entry_is_found(shop: Shop) -> None:
    detect(shop.database)
    shop.product.add(Entry(at=noon(LONG_AGO), campaign_id=shop.other_campaign))

    assert detect(shop.database).stale_client_days == {}
    assert swept(shop) == {LONG_AGO: 1}
    assert refresh_all(shop)


def test_facts_on_days_before_the_first_computed_day_are_found(shop: Shop) -> None:
    before = date(2024, 6, 28)
    assert missing_days_to_compute(shop.database, before, date(2024, 7, 1), DAY) == []
    shop.product.add(Entry(at=noon(before), campaign_id=shop.campaign))
    visit = next(fact for fact in shop.product.world.visits.values() if fact.at == noon(DAY))
    shop.product.change(visit, at=noon(date(2024, 6, 29)))

    missing = missing_days_to_compute(shop.database, date(2024, 1, 1), date(2024, 7, 1), DAY)
    assert missing == [date(2024, 6, 30), date(2024, 6, 29), before]
    assert missing_days_to_compute(shop.database, date(2024, 6, 29), date(2024, 7, 1), DAY) == missing[:2]
    list(sweep(shop.database, [DAY]))
    list(rebuild(shop.database, missing))
    assert refresh_all(shop)
    assert missing_days_to_compute(shop.database, date(2024, 1, 1), date(2024, 7, 1), DAY) == []


def test_days_that_readers_ask_for_are_missing_even_without_facts(shop: Shop) -> None:
    first, last, since = date(2024, 6, 28), date(2024, 7, 1), date(2024, 6, 29)

    missing = missing_days_to_compute(shop.database, first, last, since)
    assert missing == [date(2024, 6, 30), since]
    # Days without a partition cannot be computed.
    assert missing_days_to_compute(shop.database, date(2024, 6, 30), last, since) == missing[:1]
    list(rebuild(shop.database, missing))
    assert missing_days_to_compute(shop.database, first, last, since) == []


def test_no_day_is_missing_before_a_first_day_was_computed(database: Database) -> None:
    with connect(database) as connection:
        product = Product(connection)
        product.add(Entry(at=noon(LONG_AGO), campaign_id=product.campaign(product.client())))

    assert missing_days_to_compute(database, date(2024, 1, 1), LONG_AGO, date(2024, 1, 1)) == []


def test_a_new_link_for_the_cid_of_older_facts_is_found(shop: Shop) -> None:
    shop.product.add(Visit(at=noon(LONG_AGO), campaign_id=shop.campaign, session_id="x", cid="spring"))
    list(sweep(shop.database, [LONG_AGO]))
    assert refresh_all(shop)

    shop.product.link(shop.campaign, cid="SPRING")

    assert swept(shop) == {LONG_AGO: 1}
    assert refresh_all(shop)


def test_a_client_day_already_stale_keeps_its_generation(shop: Shop) -> None:
    visit = next(fact for fact in shop.product.world.visits.values() if fact.at == noon(LONG_AGO))
    shop.product.change(visit, utm_source="kakao")
    swept(shop)
    stale = (
        "SELECT stale_since, stale_reason, generation FROM eventflow_stats.client_days WHERE stale_since IS NOT NULL"
    )
    before = shop.product.connection.execute(stale).fetchall()

    assert swept(shop) == {}
    assert [reason for _, reason, _ in before] == ["facts changed or deleted"]
    assert shop.product.connection.execute(stale).fetchall() == before


def test_facts_of_no_client_are_counted_by_a_sweep(shop: Shop) -> None:
    nobodys = shop.product.webinar(None)
    shop.product.add(Visit(at=noon(DAY), webinar_id=nobodys, session_id="lost"))

    (day,) = sweep(shop.database, [DAY])

    assert (day.changed_client_days, day.unresolved_facts) == (0, 1)
    counted = "SELECT unresolved_facts FROM eventflow_stats.days WHERE bucket_date = %s"
    assert shop.product.connection.execute(counted, [DAY]).fetchone() == (1,)


class Due:
    """The days that are due for a sweep: ``DAY`` is one of the last days, ``LONG_AGO`` is history."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        # Wait for the counters of the writes so far; afterwards they do not change.
        self.settle()
        self.age("2 hours")
        self.now()

    def settle(self) -> None:
        connection = self.shop.product.connection
        connection.execute("SELECT pg_stat_force_next_flush()")
        seen = None
        deadline = time.monotonic() + 30
        while seen != (seen := connection.execute("SELECT * FROM eventflow_stats.row_changes").fetchone()):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def flushed(self) -> None:
        self.shop.product.connection.execute("SELECT pg_stat_force_next_flush()")

    def age(self, interval: str) -> None:
        """Set back the times when the days were swept and when rows last changed."""
        connection = self.shop.product.connection
        connection.execute(
            "UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - %(age)s::interval, "
            "swept_at = swept_at - %(age)s::interval, whole_verified_at = whole_verified_at - %(age)s::interval",
            {"age": interval},
        )
        connection.execute(
            "UPDATE eventflow_stats.progress SET row_changes_at = row_changes_at - %s::interval", [interval]
        )

    def takes(self, seconds: float) -> None:
        """Set the duration of the last sweep of each day."""
        self.shop.product.connection.execute("UPDATE eventflow_stats.days SET swept_seconds = %s", [seconds])

    def now(self) -> list[date]:
        return self.recent() + self.history()

    def recent(self) -> list[date]:
        """Sweep what the tick of the schedule sweeps."""
        detect(self.shop.database)
        return [day.day for day in sweep_due_days(self.shop.database, DAY, date.max, at_once=True, seconds=30)]

    def history(self, seconds: float = 30) -> list[date]:
        """Sweep what a tick of the sensor late_facts sweeps."""
        detect(self.shop.database)
        before = DAY - timedelta(days=1)
        swept = sweep_due_days(self.shop.database, date.min, before, at_once=False, seconds=seconds)
        return [day.day for day in swept]


@pytest.fixture
def due(shop: Shop) -> Due:
    return Due(shop)


def an_update(shop: Shop) -> None:
    visit = next(fact for fact in shop.product.world.visits.values() if fact.at == noon(LONG_AGO))
    shop.product.change(visit, utm_source=str(uuid4()))


def a_deletion(shop: Shop) -> None:
    shop.product.delete([next(iter(shop.product.world.visits.values()))])


def a_new_link(shop: Shop) -> None:
    shop.product.link(shop.campaign, cid="NEW")


def an_emptied_table(shop: Shop) -> None:
    shop.product.connection.execute("TRUNCATE public.event_access_logs CASCADE")


def test_nothing_is_due_while_no_row_changes(due: Due) -> None:
    assert due.now() == []
    due.age("30 minutes")
    assert due.now() == []


def test_new_facts_alone_make_nothing_due(due: Due) -> None:
    due.shop.product.add(Visit(at=noon(DAY), campaign_id=due.shop.campaign, session_id="new"))
    due.flushed()

    assert due.now() == []


@pytest.mark.parametrize("change", [an_update, a_deletion, a_new_link, an_emptied_table])
def test_a_changed_row_makes_the_last_days_due_at_once(due: Due, change: Callable[[Shop], None]) -> None:
    change(due.shop)
    due.flushed()

    # History is not due: it pauses in proportion to the time that sweeping it takes.
    assert due.recent() == [DAY]
    assert due.recent() == []


def test_a_changed_row_makes_a_large_history_due_at_most_once_an_hour(due: Due) -> None:
    due.age("2 hours")
    an_update(due.shop)
    due.flushed()
    assert set(due.now()) == {DAY, LONG_AGO}

    due.takes(300)
    an_update(due.shop)
    due.flushed()
    assert due.now() == [DAY]

    due.takes(300)
    due.age("50 minutes")
    assert due.history() == []

    due.age("2 hours")
    assert set(due.now()) == {DAY, LONG_AGO}, "the change is still found later"


def test_a_history_that_one_sensor_tick_can_sweep_is_due_again_within_a_tick_of_the_schedule(due: Due) -> None:
    an_update(due.shop)
    due.flushed()
    due.takes(5)
    due.age("4 minutes")
    assert due.history() == []

    due.age("1 minute")
    assert due.history() == [LONG_AGO]


def test_a_history_that_was_never_swept_pauses_for_an_hour(due: Due) -> None:
    an_update(due.shop)
    due.flushed()
    due.shop.product.connection.execute("UPDATE eventflow_stats.days SET swept_seconds = NULL")
    due.age("50 minutes")
    assert due.history() == []

    due.age("10 minutes")
    assert due.history() == [LONG_AGO]


def test_a_named_day_is_due_although_no_row_changed(due: Due) -> None:
    def swept(named: list[date]) -> list[date]:
        found = sweep_due_days(due.shop.database, DAY, DAY, at_once=True, seconds=30, named=named)
        return [day.day for day in found]

    assert swept([]) == []
    assert swept([LONG_AGO, DAY]) == [DAY]


def test_a_tick_sweeps_the_last_days_and_the_sensor_the_others(due: Due) -> None:
    due.age("2 hours")
    an_update(due.shop)
    due.flushed()

    assert due.recent() == [DAY]
    assert due.history() == [LONG_AGO]


def test_with_time_for_one_day_only_all_of_history_is_swept_in_turn(due: Due) -> None:
    before = [LONG_AGO - timedelta(days=count) for count in (3, 2, 1)]
    for day in before:
        list(rebuild(due.shop.database, [day]))
    due.age("2 hours")
    an_update(due.shop)
    due.flushed()

    assert [due.history(seconds=0) for _ in range(5)] == [[LONG_AGO], *([day] for day in before), []]


def test_the_last_days_are_swept_every_hour_even_without_a_change(due: Due) -> None:
    due.age("2 hours")

    assert due.now() == [DAY]


def test_a_busy_day_is_left_to_the_next_sweep(due: Due) -> None:
    an_update(due.shop)
    due.flushed()
    with due.shop.database.session() as writer, writing_day(due.shop.database, writer, DAY):
        assert due.recent() == []

    assert due.recent() == [DAY]
