"""Failure cases of several connections at once (the list is in test_failure_cases.py)."""

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.facts import Visit, connect
from eventflow_stats_tests.scenarios.maintained_shop import (
    DAY,
    INSERT,
    Shop,
    Worker,
    at,
    ledger_rows_locked,
    now,
    refresh,
    shop,
    wait_for,
)

__all__ = ["shop"]


def add_quick_fact(shop: Shop) -> None:
    """Add a fact and bring it into the rollup while a slower transaction is open."""
    shop.product.add(Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="quick"))
    assert shop.maintain() == [DAY]
    shop.require_right_rollup()


def test_transaction_open_before_a_refresh_and_committed_after(shop: Shop) -> None:
    slow_fact = Visit(at=at(DAY), campaign_id=shop.campaign, session_id="slow")
    with connect(shop.database) as slow, slow.transaction():
        slow.execute(INSERT, [slow_fact.id, shop.campaign, slow_fact.session_id, slow_fact.at])
        add_quick_fact(shop)
    shop.world.visits[slow_fact.id] = slow_fact

    assert shop.detected() == {DAY: 1}
    assert shop.maintain() == [DAY]
    shop.require_right_rollup()


def test_prepared_transaction(shop: Shop) -> None:
    """The session that wrote the fact has ended, and its prepared transaction is not committed yet."""
    slow_fact = Visit(at=at(DAY), campaign_id=shop.campaign, session_id="slow")
    name = f"{shop.database.url.database} slow"
    with connect(shop.database) as first:
        first.execute("BEGIN")
        first.execute(INSERT, [slow_fact.id, shop.campaign, slow_fact.session_id, slow_fact.at])
        first.execute(f"PREPARE TRANSACTION '{name}'")
    add_quick_fact(shop)
    shop.connection.execute(f"COMMIT PREPARED '{name}'")
    shop.world.visits[slow_fact.id] = slow_fact

    assert shop.detected() == {DAY: 1}
    assert shop.maintain() == [DAY]
    shop.require_right_rollup()


def test_two_refreshes_of_one_day_at_once(shop: Shop) -> None:
    """Both wait for a third writer. The second one must see what the first one wrote."""
    shop.product.add(
        *(Visit(at=at(DAY), ingested_at=now(), campaign_id=c, session_id="new") for c in shop.world.campaigns)
    )
    assert shop.detected() == {DAY: 2}
    database = shop.with_long_timeout()
    with shop.database.session() as writer, writing_day(shop.database, writer, DAY):
        both = [Worker(refresh, database), Worker(refresh, database)]
        wait_for(lambda: shop.waiting_sessions() == 2)
    for one in both:
        one.join()

    assert [one.failure for one in both] == [None, None]
    assert sorted(day.written for one in both for day in one.done) == [0, 2]
    assert shop.maintain() == []
    list(verify(shop.database, [DAY], only_unverified=True))
    shop.require_right_rollup()


def test_stale_again_while_being_computed(shop: Shop) -> None:
    """A fact that arrives after a refresh has read the day and before it commits is found by the next detection."""
    shop.product.add(Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="in time"))
    shop.detected()
    with ledger_rows_locked(shop):
        refreshing = Worker(refresh, shop.with_long_timeout())
        wait_for(lambda: shop.waiting_sessions() == 1)
        shop.product.add(Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="too late"))
        found = detect(shop.database)
        assert (found.stale_client_days, found.busy_days) == ({}, (DAY,))
    refreshing.join()
    assert (refreshing.failure, len(refreshing.done)) == (None, 1)

    assert shop.detected() == {DAY: 1}
    assert shop.maintain() == [DAY]
    shop.require_right_rollup()
