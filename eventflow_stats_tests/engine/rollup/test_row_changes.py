"""Changes that the row counters show and no sweep has found yet: how many rows, since when, and by when they are
found."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.rollup.sweep_timing import rest_between_sweeps, time_to_find_changes
from eventflow_stats.engine.status.freshness import RollupFreshness, read_freshness
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.settings import Settings
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, shop
from eventflow_stats_tests.facts import Entry

__all__ = ["shop"]

TODAY = date(2026, 3, 5)
UNKNOWN = None


@pytest.fixture
def quiet_shop(shop: Shop) -> Shop:
    """A shop whose row counters were read and do not change."""
    count(shop)
    detect(shop.database)
    shop.product.connection.execute(
        "UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '2 h', swept_seconds = 0.1"
    )
    shop.product.connection.execute("DELETE FROM eventflow_stats.unswept_changes")
    assert progress(shop).changed_since is None
    return shop


def count(shop: Shop) -> None:
    shop.product.connection.execute("SELECT pg_stat_force_next_flush()")


def progress(shop: Shop) -> RollupFreshness:
    return read_freshness(shop.database, TODAY)


def an_update_and_a_deletion(shop: Shop) -> None:
    changed, deleted, *_ = list(shop.product.world.visits.values())
    shop.product.change(changed, utm_source="kakao")
    shop.product.delete([deleted])


def a_new_link(shop: Shop) -> None:
    shop.product.link(shop.campaign, cid="NEW")


def an_emptied_table(shop: Shop) -> None:
    shop.product.connection.execute("TRUNCATE public.event_access_logs CASCADE")


def reset_counters(shop: Shop) -> None:
    shop.product.connection.execute("SELECT pg_stat_reset()")


def reset_counters_of_one_table(shop: Shop) -> None:
    shop.product.connection.execute("SELECT pg_stat_reset_single_table_counters('event_access_logs'::regclass)")


def a_child_table_dropped(shop: Shop) -> None:
    """A partition is dropped in the same way, with its counters."""
    shop.product.connection.execute("CREATE TABLE public.old_visits () INHERITS (public.event_access_logs)")
    detect(shop.database)
    list(sweep(shop.database, [DAY, LONG_AGO]))
    shop.product.connection.execute("DROP TABLE public.old_visits")


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (an_update_and_a_deletion, 2),
        (a_new_link, 1),
        (an_emptied_table, UNKNOWN),
        (reset_counters, UNKNOWN),
        (reset_counters_of_one_table, UNKNOWN),
        (a_child_table_dropped, UNKNOWN),
    ],
)
def test_changed_rows_are_shown_before_a_detection_and_until_every_day_was_swept(
    quiet_shop: Shop, change: Callable[[Shop], None], rows: int | None
) -> None:
    change(quiet_shop)
    count(quiet_shop)
    for look in (False, True):
        if look:
            detect(quiet_shop.database)
        now = progress(quiet_shop)
        assert (now.changed_since is not None, now.changed_rows) == (True, rows)
        assert not now.changes_overdue
        message = "an unknown number of rows" if rows is UNKNOWN else f"{rows} row"
        assert str(now.changes_message).startswith(message)

    list(sweep(quiet_shop.database, [DAY]))
    assert (progress(quiet_shop).changed_since, progress(quiet_shop).changed_rows) == (now.changed_since, rows), (
        "one day is left"
    )
    list(verify(quiet_shop.database, [LONG_AGO]))
    assert (progress(quiet_shop).changed_since, progress(quiet_shop).changed_rows) == (None, None)
    assert progress(quiet_shop).changes_message is None


def test_inserted_facts_are_not_changed_rows(quiet_shop: Shop) -> None:
    quiet_shop.product.add(Entry(at=noon(DAY), campaign_id=quiet_shop.campaign))
    count(quiet_shop)
    detect(quiet_shop.database)

    assert progress(quiet_shop).changed_since is None


def test_rows_that_change_after_a_sweep_are_counted_separately(quiet_shop: Shop) -> None:
    an_update_and_a_deletion(quiet_shop)
    count(quiet_shop)
    detect(quiet_shop.database)
    list(sweep(quiet_shop.database, [DAY, LONG_AGO]))
    a_new_link(quiet_shop)
    count(quiet_shop)
    detect(quiet_shop.database)

    assert progress(quiet_shop).changed_rows == 1
    looks = quiet_shop.product.connection.execute("SELECT changed_rows FROM eventflow_stats.unswept_changes").fetchall()
    assert looks == [(1,)], "changes before the last sweep of every day are not counted"


def test_the_first_detection_shows_no_change(shop: Shop) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET counters = NULL, changed_rows = NULL")
    count(shop)
    detect(shop.database)

    assert progress(shop).changed_since is None


def test_changes_of_a_clock_that_was_ahead_are_found_after_it_was_put_right(quiet_shop: Shop) -> None:
    an_update_and_a_deletion(quiet_shop)
    count(quiet_shop)
    detect(quiet_shop.database)
    quiet_shop.product.connection.execute(
        "UPDATE eventflow_stats.unswept_changes SET seen_at = seen_at + interval '10 d', "
        "since = since + interval '10 d', found_by = found_by + interval '10 d'"
    )
    quiet_shop.product.connection.execute(
        "UPDATE eventflow_stats.progress SET row_changes_at = now() + interval '10 d'"
    )
    detect(quiet_shop.database)

    now = progress(quiet_shop)
    assert now.changed_rows == 2
    assert now.changes_found_by is not None
    assert now.changes_found_by - now.at < timedelta(hours=1)
    list(sweep(quiet_shop.database, [DAY, LONG_AGO]))
    assert progress(quiet_shop).changed_since is None


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("seconds", "rest", "within"),
    [
        (0.05, 3 / 60 * MINUTE, 13.05 * MINUTE),
        (5, 5 * MINUTE, 18 * MINUTE),
        (5.1, 5.1 * MINUTE, 20.1 * MINUTE),
        (60, 60 * MINUTE, 95 * MINUTE),
        (600, 60 * MINUTE, 311 * MINUTE),
        (60_000, 60 * MINUTE, 24 * 60 * MINUTE),
        (None, 60 * MINUTE, 24 * 60 * MINUTE),
    ],
)
def test_the_pause_between_sweeps_is_proportional_to_their_duration_and_the_time_to_find_changes_is_bounded(
    seconds: float | None, rest: timedelta, within: timedelta
) -> None:
    """With ticks every 5 minutes and sensor ticks every minute: the pause, the sensor ticks and two ticks of the
    schedule; one day at most, because of the rolling verification."""
    assert rest_between_sweeps(seconds) == rest
    assert time_to_find_changes(seconds, Settings()) == within
