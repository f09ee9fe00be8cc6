"""What the row counters tell of changes that no sweep has looked for yet: how many rows, since when, found by when."""

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
def watched(shop: Shop) -> Shop:
    """A shop whose row counters were looked at, and stand still."""
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


def counters_set_to_nought(shop: Shop) -> None:
    shop.product.connection.execute("SELECT pg_stat_reset()")


def counters_of_one_table_set_to_nought(shop: Shop) -> None:
    shop.product.connection.execute("SELECT pg_stat_reset_single_table_counters('event_access_logs'::regclass)")


def a_child_table_dropped(shop: Shop) -> None:
    """As a partition is, with its counters."""
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
        (counters_set_to_nought, UNKNOWN),
        (counters_of_one_table_set_to_nought, UNKNOWN),
        (a_child_table_dropped, UNKNOWN),
    ],
)
def test_changed_rows_are_known_before_any_look_until_every_day_was_swept(
    watched: Shop, change: Callable[[Shop], None], rows: int | None
) -> None:
    change(watched)
    count(watched)
    for look in (False, True):
        if look:
            detect(watched.database)
        now = progress(watched)
        assert (now.changed_since is not None, now.changed_rows) == (True, rows)
        assert not now.changes_overdue
        message = "an unknown number of rows" if rows is UNKNOWN else f"{rows} row"
        assert str(now.changes_message).startswith(message)

    list(sweep(watched.database, [DAY]))
    assert (progress(watched).changed_since, progress(watched).changed_rows) == (now.changed_since, rows), (
        "one day is left"
    )
    list(verify(watched.database, [LONG_AGO]))
    assert (progress(watched).changed_since, progress(watched).changed_rows) == (None, None)
    assert progress(watched).changes_message is None


def test_facts_that_are_inserted_are_no_changed_rows(watched: Shop) -> None:
    watched.product.add(Entry(at=noon(DAY), campaign_id=watched.campaign))
    count(watched)
    detect(watched.database)

    assert progress(watched).changed_since is None


def test_what_changed_after_a_sweep_is_counted_by_itself(watched: Shop) -> None:
    an_update_and_a_deletion(watched)
    count(watched)
    detect(watched.database)
    list(sweep(watched.database, [DAY, LONG_AGO]))
    a_new_link(watched)
    count(watched)
    detect(watched.database)

    assert progress(watched).changed_rows == 1
    looks = watched.product.connection.execute("SELECT changed_rows FROM eventflow_stats.unswept_changes").fetchall()
    assert looks == [(1,)], "what every day was swept after is forgotten"


def test_the_first_look_ever_knows_of_no_change(shop: Shop) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET counters = NULL, changed_rows = NULL")
    count(shop)
    detect(shop.database)

    assert progress(shop).changed_since is None


def test_changes_of_a_clock_that_was_ahead_are_found_after_it_was_put_right(watched: Shop) -> None:
    an_update_and_a_deletion(watched)
    count(watched)
    detect(watched.database)
    watched.product.connection.execute(
        "UPDATE eventflow_stats.unswept_changes SET seen_at = seen_at + interval '10 d', "
        "since = since + interval '10 d', found_by = found_by + interval '10 d'"
    )
    watched.product.connection.execute("UPDATE eventflow_stats.progress SET row_changes_at = now() + interval '10 d'")
    detect(watched.database)

    now = progress(watched)
    assert now.changed_rows == 2
    assert now.changes_found_by is not None
    assert now.changes_found_by - now.at < timedelta(hours=1)
    list(sweep(watched.database, [DAY, LONG_AGO]))
    assert progress(watched).changed_since is None


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
def test_history_rests_in_proportion_to_what_a_sweep_takes_and_a_change_is_found_within_a_bound(
    seconds: float | None, rest: timedelta, within: timedelta
) -> None:
    """With ticks every 5 minutes and looks of the sensor every minute: rest, looks and two ticks; a day at the most,
    by which the rolling verification has come round."""
    assert rest_between_sweeps(seconds) == rest
    assert time_to_find_changes(seconds, Settings()) == within
