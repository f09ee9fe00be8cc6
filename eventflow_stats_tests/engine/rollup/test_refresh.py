"""A refresh recomputes the stale client-days and no others."""

from datetime import date

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats_tests.engine.two_clients import DAY, Shop, noon, now, shop
from eventflow_stats_tests.facts import Visit
from eventflow_stats_tests.rollup import whole_rows

__all__ = ["shop"]


def test_a_refresh_recomputes_stale_client_days_and_leaves_the_others_as_they_are(shop: Shop) -> None:
    shop.product.add(
        *(Visit(at=noon(DAY), campaign_id=shop.other_campaign, session_id=f"many {n}") for n in range(9)),
    )
    list(rebuild(shop.database, [DAY]))
    before = whole_rows(shop.product.connection, shop.theirs)
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
    detect(shop.database)

    (outcome,) = refresh(shop.database, [DAY])

    assert outcome.totals.facts == 2
    assert not outcome.whole
    assert whole_rows(shop.product.connection, shop.theirs) == before
    assert shop.is_right()


def test_a_refresh_of_a_day_without_stale_client_days_does_nothing_and_of_a_missing_day_everything(shop: Shop) -> None:
    new = date(2026, 3, 5)
    shop.product.add(Visit(at=noon(new), campaign_id=shop.campaign, session_id="a"))

    clean, whole = refresh(shop.database, [DAY, new])

    assert (clean.totals.facts, clean.written, clean.deleted) == (0, 0, 0)
    assert (clean.stored.visits, clean.whole) == (2, False)
    assert whole.whole
    assert shop.is_right()
    computed = shop.product.connection.execute(
        "SELECT FROM eventflow_stats.days WHERE bucket_date = %s AND rebuilt_at IS NOT NULL", [new]
    ).fetchall()
    assert len(computed) == 1


def test_a_day_with_most_of_its_facts_in_stale_client_days_is_rebuilt_whole(shop: Shop) -> None:
    shop.product.add(
        Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"),
        Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.other_campaign, session_id="d"),
    )
    detect(shop.database)
    computed = "SELECT rebuilt_at FROM eventflow_stats.days WHERE bucket_date = %s"
    before = shop.product.connection.execute(computed, [DAY]).fetchone()

    (outcome,) = refresh(shop.database, [DAY])

    assert outcome.whole
    assert outcome.totals.facts == 4
    assert shop.product.connection.execute(computed, [DAY]).fetchone() != before
    assert shop.is_right()
