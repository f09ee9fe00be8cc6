"""Failure cases of several connections at once, by name (the index is in test_failure_cases.py)."""

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.facts import Visit, connect
from eventflow_stats_tests.scenarios.maintained_shop import (
    DAY,
    INSERT,
    Shop,
    Working,
    at,
    now,
    refresh,
    row_held,
    shop,
    until,
)

__all__ = ["shop"]


def quick_fact(shop: Shop) -> None:
    """Comes, commits and is in the rollup, while a slower transaction is still at work."""
    shop.product.add(Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="quick"))
    assert shop.keep_right() == [DAY]
    shop.must_be_right()


def test_transaction_open_before_a_refresh_and_committed_after(shop: Shop) -> None:
    slow_fact = Visit(at=at(DAY), campaign_id=shop.campaign, session_id="slow")
    with connect(shop.database) as slow, slow.transaction():
        slow.execute(INSERT, [slow_fact.id, shop.campaign, slow_fact.session_id, slow_fact.at])
        quick_fact(shop)
    shop.world.visits[slow_fact.id] = slow_fact

    assert shop.detected() == {DAY: 1}
    assert shop.keep_right() == [DAY]
    shop.must_be_right()


def test_prepared_transaction(shop: Shop) -> None:
    """Its fact belongs to no session at all while it waits: the one that wrote it is gone."""
    slow_fact = Visit(at=at(DAY), campaign_id=shop.campaign, session_id="slow")
    name = f"{shop.database.url.database} slow"
    with connect(shop.database) as first:
        first.execute("BEGIN")
        first.execute(INSERT, [slow_fact.id, shop.campaign, slow_fact.session_id, slow_fact.at])
        first.execute(f"PREPARE TRANSACTION '{name}'")
    quick_fact(shop)
    shop.connection.execute(f"COMMIT PREPARED '{name}'")
    shop.world.visits[slow_fact.id] = slow_fact

    assert shop.detected() == {DAY: 1}
    assert shop.keep_right() == [DAY]
    shop.must_be_right()


def test_two_refreshes_of_one_day_at_once(shop: Shop) -> None:
    """Both wait for a third writer: whoever comes second must see what the first one wrote."""
    shop.product.add(
        *(Visit(at=at(DAY), ingested_at=now(), campaign_id=c, session_id="new") for c in shop.world.campaigns)
    )
    assert shop.detected() == {DAY: 2}
    patient = shop.patient()
    with shop.database.session() as writer, writing_day(shop.database, writer, DAY):
        both = [Working(refresh, patient), Working(refresh, patient)]
        until(lambda: shop.waiting() == 2)
    for one in both:
        one.join()

    assert [one.failure for one in both] == [None, None]
    assert sorted(day.written for one in both for day in one.done) == [0, 2]
    assert shop.keep_right() == []
    list(verify(shop.database, [DAY], only_unverified=True))
    shop.must_be_right()


def test_re_dirtied_while_being_computed(shop: Shop) -> None:
    """A fact that comes after a refresh has read the day and before it commits must leave its client-day stale, or be found
    by the next look."""
    shop.product.add(Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="in time"))
    shop.detected()
    with row_held(shop):
        refreshing = Working(refresh, shop.patient())
        until(lambda: shop.waiting() == 1)
        shop.product.add(Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="too late"))
        found = detect(shop.database)
        assert (found.stale_client_days, found.busy_days) == ({}, (DAY,))
    refreshing.join()
    assert (refreshing.failure, len(refreshing.done)) == (None, 1)

    assert shop.detected() == {DAY: 1}
    assert shop.keep_right() == [DAY]
    shop.must_be_right()
