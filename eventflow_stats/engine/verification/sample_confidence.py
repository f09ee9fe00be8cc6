"""What a random sample tells of all it was drawn from, in exact arithmetic (no normal approximation)."""

import math
from collections.abc import Callable

from eventflow_stats.engine.verification.sample import Sample, SampleUnit

CONFIDENCE = 0.95


def smallest_share_detected(population: int, drawn: int) -> float:
    """The smallest share of wrong places that a sample drawn without replacement would have come upon with a
    probability of 95 % or more: 1.0 for an empty sample, 1 / population for a complete one.

    With ``wrong`` of ``population`` places wrong, a sample misses them all with probability
    C(population - wrong, drawn) / C(population, drawn) (the hypergeometric distribution at nought).
    """
    if not drawn:
        return 1.0
    least, most = 1, population
    while least < most:
        middle = (least + most) // 2
        if probability_of_missing(population, middle, drawn) <= 1 - CONFIDENCE:
            most = middle
        else:
            least = middle + 1
    return least / population


def probability_of_missing(population: int, wrong: int, drawn: int) -> float:
    """The probability that a sample without replacement has none of the wrong places."""
    if wrong + drawn > population:
        return 0.0
    return math.exp(_log_choose(population - wrong, drawn) - _log_choose(population, drawn))


def interval_of_share(drawn: int, found: int) -> tuple[float, float]:
    """The Clopper-Pearson interval of the share, at 95 %, for ``found`` of ``drawn`` places wrong: with any share
    outside it, a count so small, or so large, would come about in one sample of forty at the most."""
    tail = (1 - CONFIDENCE) / 2
    low = _share_at(lambda share: 1 - _at_most(drawn, found - 1, share) >= tail) if found else 0.0
    high = _share_at(lambda share: _at_most(drawn, found, share) <= tail) if found < drawn else 1.0
    return low, high


def _share_at(reached: Callable[[float], bool]) -> float:
    """The smallest share at which a condition, false below and true above, holds."""
    least, most = 0.0, 1.0
    for _ in range(50):
        middle = (least + most) / 2
        least, most = (least, middle) if reached(middle) else (middle, most)
    return most


def _at_most(drawn: int, found: int, share: float) -> float:
    """The probability of so many or fewer in a binomial sample."""
    if share in (0.0, 1.0):
        return 1.0 if share == 0.0 or found >= drawn else 0.0
    logs = (
        _log_choose(drawn, count) + count * math.log(share) + (drawn - count) * math.log1p(-share)
        for count in range(found + 1)
    )
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def _log_choose(among: int, chosen: int) -> float:
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)


def sample_message(sample: Sample, different: int) -> list[str]:
    """What a sample tells of all it was drawn from, in sentences; ``differing`` places of those drawn."""
    drawn, population = len(sample.places), sample.population
    if not drawn:
        return [f"nothing to draw a sample from (seed {sample.seed}): no row, and no client's day in the ledger"]
    what = "places" if sample.unit == "groups" else "clients' days"
    found = f"{different:,} differ{'s' if different == 1 else ''}" if different else "none differs"
    message = [f"{drawn:,} of {population:,} {what} drawn at random (seed {sample.seed}): {found}"]
    if drawn == population:
        message.append("all there are were drawn, so nothing is left to chance")
    elif different:
        low, high = interval_of_share(drawn, different)
        message.append(f"with 95 % confidence, {low * 100:.2g} % to {_no_less(high)} of all {what} differ")
    else:
        share = smallest_share_detected(population, drawn)
        message.append(
            f"if {_no_less(share)} or more of all {what} differed, 95 of 100 such samples would come upon one; "
            "fewer may have gone unseen"
        )
    message.append(SEEN[sample.unit])
    return message


SEEN: dict[SampleUnit, str] = {
    "groups": "a place is a row, or a client's day in the ledger for the rows that it lacks, however many they are; a "
    "client's day with facts but neither row nor ledger entry is the sweep's to find",
    "client_days": "drawn from every client's day that the ledger knows or that has rows; one with facts but neither is the "
    "sweep's to find",
}
"""What can be drawn, and what cannot."""


def _no_less(share: float) -> str:
    """A share as percent of two digits, rounded up."""
    percent = share * 100
    step = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return f"{min(100.0, math.ceil(percent / step - 1e-9) * step):.3g} %"
