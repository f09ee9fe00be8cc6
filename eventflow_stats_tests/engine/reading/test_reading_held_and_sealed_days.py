"""Answers for days whose facts disappeared: the stored numbers, marked as held or sealed."""

from datetime import date
from typing import Any

from eventflow_stats.engine.explain import AskedGroup, explain
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.sealing import seal
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop, busy_shop
from eventflow_stats_tests.engine.reading.ask import ask, request

__all__ = ["busy_shop"]
OF_THE_ANSWER_ALONE = ("_source", "_coverage", "_freshness", "_sealed")


def answered(shop: BusyShop, function: str = "summary", first: date = DAY, last: date = NEXT_DAY) -> Any:
    with request(shop.database, role="service_role") as reader:
        return ask(reader, function, shop.large, str(first), str(last))


def numbers(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in OF_THE_ANSWER_ALONE}


def test_a_held_day_is_answered_from_the_rollup_and_marked_as_held(busy_shop: BusyShop) -> None:
    before = answered(busy_shop)
    busy_shop.truncate()
    list(sweep(busy_shop.database, [DAY]))
    after = answered(busy_shop)
    assert numbers(after) == numbers(before)
    assert (after["_source"], after["_freshness"]["held_days"]) == ("aggregated", 1)
    assert after["_freshness"]["oldest_verification"] is None, "a held day cannot be verified"
    assert (before["_freshness"]["held_days"], "_sealed" in before) == (0, False)


def test_a_sealed_day_is_never_answered_from_facts(busy_shop: BusyShop) -> None:
    before = answered(busy_shop)
    list(seal(busy_shop.database, [DAY, NEXT_DAY], "Kim"))
    run = busy_shop.connection.execute
    # Marked by hand: the engine never marks a sealed day.
    run("UPDATE eventflow_stats.client_days SET stale_since = now(), stale_from = now()")
    run(
        "INSERT INTO eventflow_stats.discrepancies (client_id, bucket_date) VALUES (%s, %s)",
        [busy_shop.large, DAY],
    )
    busy_shop.truncate()
    for function in ("summary", "links", "overview"):
        after = answered(busy_shop, function)
        assert after["_source"] == "aggregated"
        assert after["_sealed"] == {"days": 2, "before": "2026-03-06"}
    assert numbers(answered(busy_shop)) == numbers(before)
    assert answered(busy_shop, "summary", DAY, DAY)["_sealed"] == {"days": 1, "before": "2026-03-05"}


def test_an_explanation_of_a_sealed_day_says_so_and_counts_no_fact_again(busy_shop: BusyShop) -> None:
    list(seal(busy_shop.database, [DAY], "Kim"))
    busy_shop.truncate()
    found = explain(busy_shop.database, busy_shop.large, DAY, AskedGroup(source="s1"))
    assert found["ledger"]["sealed_at"] is not None
    assert found["ledger"]["verified_at"] is not None
    assert found["ledger"]["facts_changed_since"] is False
    assert found["explanation"]["stored"]["visits"] == 300
    assert found["explanation"]["measured"] is None
    assert found["explanation"]["counted"] is None
    assert "the day is sealed" in found["explanation"]["result"]


def test_an_explanation_of_a_held_day_says_so(busy_shop: BusyShop) -> None:
    busy_shop.truncate()
    list(sweep(busy_shop.database, [DAY]))
    found = explain(busy_shop.database, busy_shop.large, DAY, AskedGroup(source="s1"))
    assert found["ledger"]["held_at"] is not None
    assert "the day is held" in found["explanation"]["result"]
