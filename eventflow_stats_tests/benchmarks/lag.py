"""How long facts took from their commit to the rollup: probes, and the figures made of them."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Probe:
    """One change of a fact that can be told apart in the rollup: alone of all facts it has ``mark`` for its UTM
    campaign, so the mark's group appears (or, if ``gone``, disappears) when the rollup shows the change.

    ``committed`` and ``seen`` are seconds since the epoch, None while that has not happened.
    """

    kind: str
    mark: str
    gone: bool = False
    committed: float | None = None
    seen: float | None = None

    @property
    def lag(self) -> float | None:
        """Seconds from commit to presence, None while it is not there."""
        if self.committed is None or self.seen is None:
            return None
        return self.seen - self.committed


def look(probes: Sequence[Probe], stored: set[str], at: float) -> None:
    """Note which probes the rollup shows now: ``stored`` holds the marks it has, read at ``at``.

    What was read before a commit is no verification of anything after it.
    """
    for probe in probes:
        if probe.seen is None and probe.committed is not None and probe.committed <= at:
            shown = (probe.mark in stored) != probe.gone
            probe.seen = at if shown else None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def stretched(probe: Probe, ticks: Sequence[float], factor: float) -> float | None:
    """The lag with the wait for the next tick lengthened by ``factor``: what a longer interval would make of it.

    ``ticks`` are the times at which the tick or sensor that finds such facts was due, ascending. The rest of the lag,
    the work, stays as measured. None without a lag or a tick after the commit.
    """
    if probe.lag is None or probe.committed is None:
        return None
    following = bisect.bisect_left(ticks, probe.committed)
    if following == len(ticks):
        return None
    wait = min(ticks[following] - probe.committed, probe.lag)
    return probe.lag + wait * (factor - 1)
