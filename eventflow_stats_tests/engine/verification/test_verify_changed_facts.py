"""Verification of days whose facts changed: they are stale, not wrong. A missing day is never verified."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import InvalidInput
from eventflow_stats_tests.engine.verification.test_verify import DAY, DAYS, NEXT, NOON, Shop, differences, named, shop
from eventflow_stats_tests.facts import Entry, Visit
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups, whole_rows

__all__ = ["shop"]


def a_late_visit(shop: Shop) -> None:
    shop.product.add(Visit(at=NOON, campaign_id=shop.campaign, session_id="late"))


def a_late_entry(shop: Shop) -> None:
    shop.product.add(Entry(at=NOON, campaign_id=shop.campaign, utm_source="kakao"))


def a_changed_source(shop: Shop) -> None:
    shop.product.change(shop.visit, utm_source="naver")


def a_deleted_visit(shop: Shop) -> None:
    shop.product.delete([shop.visit])


def a_link_that_came_later(shop: Shop) -> None:
    # The fact is unchanged. The link that its cid names is new.
    shop.product.link(shop.campaign, "LINKBBBB")


MOVED: list[Callable[[Shop], None]] = [
    *(a_late_visit, a_late_entry, a_changed_source, a_deleted_visit, a_link_that_came_later)
]


@pytest.mark.parametrize("move", MOVED)
def test_facts_that_changed_since_make_the_client_day_stale_and_no_discrepancy(
    shop: Shop, move: Callable[[Shop], None]
) -> None:
    shop.product.add(Visit(at=NOON, campaign_id=shop.campaign, session_id="cid", cid="linkbbbb"))
    list(rebuild(shop.database, DAYS))
    move(shop)
    moved = differences(stored_groups(shop.connection), expected_groups(shop.product.world, "UTC"))
    assert moved
    for _ in range(2):
        outcomes = shop.verify()
        assert [outcome.result for outcome in outcomes] == ["stale", "verified"]
        assert named(outcomes, "stale") == moved
        assert shop.stale() == {(shop.ours, DAY)}
        assert shop.discrepancies() == shop.discrepancies(closed=True) == {}
    list(rebuild(shop.database, [DAY]))
    assert shop.stale() == set()
    assert [outcome.result for outcome in shop.verify()] == ["verified", "verified"]


def test_a_fact_that_changes_its_day_makes_both_days_stale(shop: Shop) -> None:
    shop.product.change(shop.visit, at=NOON + timedelta(days=1))
    assert [outcome.result for outcome in shop.verify()] == ["stale", "stale"]
    assert shop.stale() == {(shop.ours, DAY), (shop.ours, NEXT)}


def test_a_campaign_given_to_another_client_makes_both_clients_stale(shop: Shop) -> None:
    shop.connection.execute(
        "UPDATE event_survey_campaigns SET client_id = %s WHERE id = %s", [shop.theirs, shop.campaign]
    )
    assert shop.verify([DAY])[0].result == "stale"
    assert shop.stale() == {(shop.ours, DAY), (shop.theirs, DAY)}
    assert shop.discrepancies() == {}


def test_a_changed_fact_that_changes_no_number_is_still_verified(shop: Shop) -> None:
    shop.connection.execute("UPDATE event_access_logs SET user_agent = 'another'")
    assert [outcome.result for outcome in shop.verify()] == ["verified", "verified"]
    assert shop.stale() == set()


def test_an_error_after_a_verification_of_changed_facts_is_wrong_not_stale(shop: Shop) -> None:
    shop.connection.execute("UPDATE event_access_logs SET user_agent = 'another'")
    shop.verify()
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = 99 WHERE client_id = %s", [shop.theirs])

    assert [outcome.result for outcome in shop.verify()] == ["wrong", "verified"]
    assert {group.client_id for group in shop.discrepancies()} == {shop.theirs}


def test_a_client_day_whose_facts_are_restored_is_not_stale_after_a_verification(shop: Shop) -> None:
    late = Visit(at=NOON, campaign_id=shop.campaign, session_id="late")
    shop.product.add(late)
    shop.verify()
    assert shop.stale() == {(shop.ours, DAY)}
    shop.product.delete([late])

    assert [outcome.result for outcome in shop.verify()] == ["verified", "verified"]
    assert shop.stale() == set()


def test_a_wrong_day_is_verified_when_its_wrong_clients_are(shop: Shop) -> None:
    shop.verify()
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = 99 WHERE bucket_date = %s", [DAY])
    shop.verify()
    for client, result in ((shop.ours, "wrong"), (shop.theirs, "verified")):
        list(rebuild(shop.database, [DAY], [client]))
        shop.verify([DAY], [client])
        assert shop.connection.execute(
            "SELECT verification_result FROM eventflow_stats.days WHERE bucket_date = %s", [DAY]
        ).fetchone() == (result,)


def test_a_wrong_and_a_stale_client_of_one_day_are_reported_separately(shop: Shop) -> None:
    a_late_visit(shop)
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = 99 WHERE client_id = %s", [shop.theirs])
    (outcome,) = shop.verify([DAY])
    assert (outcome.result, outcome.wrong_client_days, outcome.stale_client_days) == ("wrong", 1, 1)
    assert {group.client_id for group in shop.discrepancies()} == {shop.theirs}
    assert shop.stale() == {(shop.ours, DAY)}
    assert shop.connection.execute(
        "SELECT verification_result, wrong_groups, stale_client_days FROM eventflow_stats.days WHERE bucket_date = %s",
        [DAY],
    ).fetchone() == ("wrong", 1, 1)


def test_a_new_client_of_a_computed_day_is_stale_until_computed(shop: Shop) -> None:
    client = shop.product.client()
    shop.product.add(Visit(at=NOON, campaign_id=shop.product.campaign(client), session_id="new"))
    assert shop.verify([DAY])[0].result == "stale"
    assert shop.stale() == {(client, DAY)}


def test_a_day_never_computed_is_stale_with_facts_and_without(shop: Shop) -> None:
    with_facts, without = DAY - timedelta(days=1), DAY - timedelta(days=2)
    shop.product.add(Visit(at=NOON - timedelta(days=1), campaign_id=shop.campaign, session_id="early"))
    outcomes = shop.verify([with_facts, without])
    assert [(outcome.day, outcome.result, outcome.computed) for outcome in outcomes] == [
        (without, "stale", False),
        (with_facts, "stale", False),
    ]
    assert shop.discrepancies() == {}


def test_a_verification_of_one_client_compares_and_records_only_that_client(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = 99 WHERE bucket_date = %s", [DAY])
    shop.connection.execute("DELETE FROM eventflow_stats.discrepancies")
    days_before = shop.connection.execute("SELECT * FROM eventflow_stats.days ORDER BY 1").fetchall()
    (outcome,) = shop.verify([DAY], [shop.theirs])
    assert (outcome.result, outcome.wrong_client_days, outcome.wrong_groups) == ("wrong", 1, 1)
    assert {group.client_id for group in shop.discrepancies()} == {shop.theirs}
    assert shop.connection.execute("SELECT * FROM eventflow_stats.days ORDER BY 1").fetchall() == days_before
    list(rebuild(shop.database, [DAY], [shop.theirs]))
    assert shop.verify([DAY], [shop.theirs])[0].result == "verified"
    assert shop.verify([DAY], [shop.theirs, shop.ours])[0].result == "wrong"


def test_a_verification_of_one_client_leaves_another_clients_open_discrepancy_open(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = 99 WHERE client_id = %s", [shop.theirs])
    shop.verify([DAY])
    shop.verify([DAY], [shop.ours])
    assert {group.client_id for group in shop.discrepancies()} == {shop.theirs}


def test_a_verification_of_a_client_never_computed_is_stale_even_without_facts(shop: Shop) -> None:
    missing = DAY - timedelta(days=1)
    assert shop.verify([missing], [shop.theirs])[0].result == "stale"
    list(rebuild(shop.database, [missing], [shop.theirs]))
    assert shop.verify([missing], [shop.theirs])[0].result == "verified"
    assert shop.verify([missing], [shop.theirs, shop.ours])[0].result == "stale"


def test_a_verification_of_no_client_is_refused(shop: Shop) -> None:
    with pytest.raises(InvalidInput):
        list(verify(shop.database, [DAY], []))


def test_unresolved_facts_are_counted_and_make_no_client_wrong(shop: Shop) -> None:
    nobodys = shop.product.webinar(None)
    orphan = shop.product.campaign(uuid4())
    shop.product.add(
        Visit(at=NOON, webinar_id=nobodys, session_id="1"),
        Visit(at=NOON, webinar_id=nobodys, session_id="1"),
        Visit(at=NOON, campaign_id=orphan, session_id="a client unknown to the product is still a client"),
    )
    before = whole_rows(shop.connection, shop.ours)
    assert next(rebuild(shop.database, [DAY])).totals.unresolved_facts == 2
    (outcome,) = shop.verify([DAY])
    assert (outcome.result, outcome.totals.unresolved_facts) == ("verified", 2)
    assert shop.connection.execute(
        "SELECT unresolved_facts FROM eventflow_stats.days WHERE bucket_date = %s", [DAY]
    ).fetchone() == (2,)
    assert stored_groups(shop.connection) == expected_groups(shop.product.world, "UTC")
    assert whole_rows(shop.connection, shop.ours) == before


def test_a_verification_writes_no_row_of_the_rollup_and_records_its_time_for_every_client_day(shop: Shop) -> None:
    before = whole_rows(shop.connection)
    shop.verify()
    assert whole_rows(shop.connection) == before
    assert shop.connection.execute(
        "SELECT count(*) FILTER (WHERE verified_at >= computed_at), count(*) FROM eventflow_stats.client_days"
    ).fetchone() == (3, 3)
