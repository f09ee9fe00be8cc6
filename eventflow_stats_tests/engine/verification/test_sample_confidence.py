"""What a sample shows, compared with exact fractions that are computed in another way."""

import random
from datetime import date
from fractions import Fraction
from math import comb
from uuid import uuid4

import pytest

from eventflow_stats.engine.verification.sample import Sample, SampledPlace
from eventflow_stats.engine.verification.sample_confidence import (
    interval_of_share,
    probability_of_none,
    sample_message,
    smallest_share_detected,
)


@pytest.mark.parametrize(
    ("population", "drawn"), [(1, 1), (20, 1), (20, 19), (100, 30), (1000, 50), (5000, 300), (98_169, 500)]
)
def test_the_share_is_the_smallest_that_95_of_100_samples_find(population: int, drawn: int) -> None:
    wrong = round(smallest_share_detected(population, drawn) * population)

    def missed(number: int) -> Fraction:
        return Fraction(comb(population - number, drawn), comb(population, drawn))

    assert missed(wrong) <= Fraction(5, 100) < missed(wrong - 1)
    assert probability_of_none(population, wrong, drawn) == pytest.approx(float(missed(wrong)), rel=1e-6)


def test_simulated_samples_find_that_share_as_often() -> None:
    population, drawn = 2000, 100
    wrong = round(smallest_share_detected(population, drawn) * population)
    lots = random.Random(5)

    found = sum(any(place < wrong for place in lots.sample(range(population), drawn)) for _ in range(4000))

    # 4,000 samples with a probability a little above 95 %: three standard deviations are 1 %.
    assert 0.94 <= found / 4000 <= 0.965


@pytest.mark.parametrize(("drawn", "found"), [(1, 0), (1, 1), (20, 0), (20, 1), (20, 19), (20, 20), (300, 7)])
def test_outside_the_interval_the_count_has_a_probability_below_one_in_forty(drawn: int, found: int) -> None:
    low, high = interval_of_share(drawn, found)

    def exactly(share: Fraction, counts: range) -> Fraction:
        return sum((comb(drawn, n) * share**n * (1 - share) ** (drawn - n) for n in counts), Fraction())

    if found:
        assert float(exactly(Fraction(low), range(found, drawn + 1))) == pytest.approx(0.025, abs=1e-6)
    if found < drawn:
        assert float(exactly(Fraction(high), range(found + 1))) == pytest.approx(0.025, abs=1e-6)
    assert 0 <= low <= found / drawn <= high <= 1
    assert (low == 0, high == 1) == (found == 0, found == drawn)


def test_the_share_is_one_of_places_not_of_groups() -> None:
    """All missing rows of a client-day are one place, so the share is one of places, not of groups."""
    place = SampledPlace(date(2026, 3, 4), uuid4(), None, False)
    message = sample_message(Sample("groups", 7, 1000, (place,) * 30), 0)

    assert message[0] == "30 of 1,000 places drawn at random (seed 7): 0 wrong or stale"
    assert message[1].startswith(
        "if 9.4 % or more of all places were wrong or stale, 95 of 100 such samples would find one"
    )
    assert len(message) == 2


def test_an_empty_sample_shows_nothing() -> None:
    (message,) = sample_message(Sample("groups", 7, 0, ()), 0)

    assert message.startswith("nothing to draw a sample from (seed 7)")
    assert smallest_share_detected(0, 0) == 1.0
