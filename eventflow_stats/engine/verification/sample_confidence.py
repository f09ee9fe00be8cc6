"""What a random sample shows about the population it was drawn from, in exact arithmetic (no normal approximation)."""

import math
from collections.abc import Callable

from eventflow_stats.engine.verification.sample import Sample

CONFIDENCE = 0.95


def smallest_share_detected(population: int, drawn: int) -> float:
    """The smallest share of wrong places of which a sample without replacement finds at least one, with a probability
    of 95 % or more: 1.0 for an empty sample, 1 / population for a complete one.

    With ``wrong`` of ``population`` places wrong, a sample has none of them with the probability
    C(population - wrong, drawn) / C(population, drawn) (the hypergeometric distribution at 0).
    """
    if not drawn:
        return 1.0
    least, most = 1, population
    while least < most:
        middle = (least + most) // 2
        if probability_of_none(population, middle, drawn) <= 1 - CONFIDENCE:
            most = middle
        else:
            least = middle + 1
    return least / population


def probability_of_none(population: int, wrong: int, drawn: int) -> float:
    """The probability that a sample without replacement has none of the wrong places."""
    if wrong + drawn > population:
        return 0.0
    return math.exp(_log_choose(population - wrong, drawn) - _log_choose(population, drawn))


def interval_of_share(drawn: int, wrong: int) -> tuple[float, float]:
    """The Clopper-Pearson interval of the share of wrong places, at 95 %, if ``wrong`` of ``drawn`` places are wrong.

    With a share outside it, at most one sample of forty has so few, or so many, wrong places.
    """
    tail = (1 - CONFIDENCE) / 2
    low = _share_at(lambda share: 1 - _at_most(drawn, wrong - 1, share) >= tail) if wrong else 0.0
    high = _share_at(lambda share: _at_most(drawn, wrong, share) <= tail) if wrong < drawn else 1.0
    return low, high


def _share_at(reached: Callable[[float], bool]) -> float:
    """The smallest share at which a condition, false below and true above, is true."""
    least, most = 0.0, 1.0
    for _ in range(50):
        middle = (least + most) / 2
        least, most = (least, middle) if reached(middle) else (middle, most)
    return most


def _at_most(drawn: int, wrong: int, share: float) -> float:
    """The probability of ``wrong`` or fewer wrong places in a binomial sample."""
    if share in (0.0, 1.0):
        return 1.0 if share == 0.0 or wrong >= drawn else 0.0
    logs = (
        _log_choose(drawn, count) + count * math.log(share) + (drawn - count) * math.log1p(-share)
        for count in range(wrong + 1)
    )
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def _log_choose(among: int, chosen: int) -> float:
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)


def sample_message(sample: Sample, different: int) -> list[str]:
    """What a sample shows, in sentences; ``different`` of its places do not equal the facts."""
    drawn, population = len(sample.places), sample.population
    if not drawn:
        return [f"nothing to draw a sample from (seed {sample.seed}): no row, and no client-day in the ledger"]
    what = "places" if sample.unit == "groups" else "client-days"
    message = [f"{drawn:,} of {population:,} {what} drawn at random (seed {sample.seed}): {different:,} wrong or stale"]
    if drawn == population:
        message.append(f"all {what} were drawn: this is no estimate")
    elif different:
        low, high = interval_of_share(drawn, different)
        message.append(
            f"with 95 % confidence, {low * 100:.2g} % to {_rounded_up(high)} of all {what} are wrong or stale"
        )
    else:
        share = _rounded_up(smallest_share_detected(population, drawn))
        message.append(
            f"if {share} or more of all {what} were wrong or stale, 95 of 100 such samples would find one; a smaller "
            "share may be undetected"
        )
    return message


def _rounded_up(share: float) -> str:
    """A share as percent of two digits, rounded up."""
    percent = share * 100
    step = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return f"{min(100.0, math.ceil(percent / step - 1e-9) * step):.3g} %"
