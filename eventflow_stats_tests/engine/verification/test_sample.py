"""Samples: what is drawn, what they find, and that the same seed draws the same."""

from datetime import date, timedelta
from uuid import uuid4

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.day_summary import known_wrong_groups
from eventflow_stats.engine.verification.sample import Sample, SampleUnit, draw_sample, verify_drawn
from eventflow_stats.engine.verification.sample_confidence import smallest_share_detected
from eventflow_stats_tests.engine.postgres.inspecting import rows, run
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now, shop
from eventflow_stats_tests.facts import Visit

__all__ = ["shop"]

ROWS, FIRST = 600, date(2026, 1, 1)


def drawn(shop: Shop, most: int, seed: int = 1, unit: SampleUnit = "groups") -> Sample:
    return draw_sample(shop.database, LONG_AGO, DAY, None, unit, most, seed)


def verified(shop: Shop, sample: Sample) -> tuple[int, int]:
    """How many wrong groups were found, and how many of the places drawn are wrong or stale."""
    outcome = list(verify_drawn(shop.database, sample))
    return sum(day.wrong_groups for day, _ in outcome), sum(different for _, different in outcome)


def test_every_row_and_every_client_day_is_a_place_and_a_seed_draws_the_same(shop: Shop) -> None:
    everything = drawn(shop, 100)
    assert (everything.population, len(everything.places)) == (6, 6)
    assert sum(place.key is not None for place in everything.places) == 3
    assert drawn(shop, 100, unit="client_days").population == 3

    first, again, *others = (drawn(shop, 2, seed) for seed in (1, 1, 2, 3, 4))

    assert first == again
    assert any(other.places != first.places for other in others)
    assert draw_sample(shop.database, DAY, DAY, [shop.theirs], "groups", 100, 1).population == 2


def test_wrong_missing_and_invented_rows_are_found_counted_and_recorded(shop: Shop) -> None:
    more = [Visit(at=noon(DAY), campaign_id=shop.campaign, session_id="x", utm_source=f"s{n}") for n in range(2)]
    shop.product.add(*more)
    list(rebuild(shop.database, [DAY]))
    assert verified(shop, drawn(shop, 100)) == (0, 0)
    run(shop.database, "UPDATE marketing_stats_daily SET visits = 9 WHERE utm_source = 's0'")
    run(shop.database, f"DELETE FROM marketing_stats_daily WHERE bucket_date = '{LONG_AGO}'")
    run(
        shop.database,
        "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, visits) "
        f"VALUES (gen_random_uuid(), '{uuid4()}', '{DAY}', 1)",
    )

    everything = drawn(shop, 100)
    assert verified(shop, everything) == (3, 3)
    # A client-day counts once, however many of its groups are wrong.
    assert verified(shop, drawn(shop, 100, unit="client_days")) == (3, 3)
    assert known_wrong_groups(shop.database, LONG_AGO, DAY) == 3

    # A place next to a wrong group finds that group, and does not count as wrong itself.
    (beside,) = (place for place in everything.places if place.key is not None and place.key.utm_source == "s1")
    assert verified(shop, Sample("groups", 1, 9, (beside,))) == (1, 0)


def test_a_client_day_without_rows_and_ledger_entry_is_not_drawn(shop: Shop) -> None:
    stranger = shop.product.campaign(shop.product.client())
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=stranger, session_id="x"))

    assert drawn(shop, 100).population == 6


def test_a_stale_client_day_is_counted_and_reported_as_stale(shop: Shop) -> None:
    shop.product.add(Visit(at=noon(LONG_AGO), ingested_at=now(), campaign_id=shop.campaign, session_id="z"))

    (day, different), *others = verify_drawn(shop.database, drawn(shop, 100))

    assert (day.day, day.result, day.wrong_groups, different) == (LONG_AGO, "stale", 0, 1)
    assert [other.result for other, _ in others] == ["verified"]


def test_a_share_of_wrong_rows_above_the_reported_one_is_found_with_95_of_100_seeds(database: Database) -> None:
    """The rows have fixed ids, so that the seeds always draw the same rows."""
    run(
        database,
        "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source, visits) SELECT md5(n::text)::uuid, "
        f"md5((n % 7)::text)::uuid, date '{FIRST}' + n % 10, n::text, 1 FROM generate_series(1, {ROWS}) AS n",
    )
    most = 40
    share = smallest_share_detected(ROWS, most)
    wrong = {str(number) for number in range(1, round(share * ROWS * 1.25) + 1)}

    samples = [
        draw_sample(database, FIRST, FIRST + timedelta(days=9), None, "groups", most, seed) for seed in range(60)
    ]

    assert all((sample.population, len(set(sample.places))) == (ROWS, most) for sample in samples)
    found = [any(place.key and place.key.utm_source in wrong for place in sample.places) for sample in samples]
    assert sum(found) >= 0.95 * len(samples)
    # Drawn evenly: sixty samples of 40 draw each row four times on average, and miss hardly any.
    seen = {place.key for sample in samples for place in sample.places}
    assert len(seen) > 0.95 * ROWS
    assert rows(database, "SELECT count(*) FROM eventflow_stats.client_days") == [(0,)]
