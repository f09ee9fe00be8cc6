"""Probes measure the lag of facts, from their commit to the rollup; and the figures that are made of these lags."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Probe:
    """One change of a fact that can be recognised in the rollup.

    No other fact has the UTM campaign ``mark``. So the group of the mark appears (or disappears, if ``gone``) when the
    rollup contains the change.

    ``committed`` and ``seen`` are seconds since the epoch, None while that has not happened.
    """

    kind: str
    mark: str
    gone: bool = False
    committed: float | None = None
    seen: float | None = None

    @property
    def lag(self) -> float | None:
        """Return the seconds from the commit to the presence in the rollup; None before."""
        if self.committed is None or self.seen is None:
            return None
        return self.seen - self.committed


def record_seen(probes: Sequence[Probe], stored: set[str], at: float) -> None:
    """Record which probes the rollup contains: ``stored`` are its marks, read at ``at``.

    A reading from before the commit of a probe says nothing about it.
    """
    for probe in probes:
        if probe.seen is None and probe.committed is not None and probe.committed <= at:
            shown = (probe.mark in stored) != probe.gone
            probe.seen = at if shown else None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all values does not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def lag_with_longer_interval(probe: Probe, ticks: Sequence[float], factor: float) -> float | None:
    """Return the lag as it would be if the interval between ticks were ``factor`` times as long.

    ``ticks`` are the times at which the schedule or sensor that finds such facts was due, ascending. The wait for the
    next tick is multiplied. The rest of the lag, which is work, remains. None without a lag or a tick after the commit.
    """
    if probe.lag is None or probe.committed is None:
        return None
    following = bisect.bisect_left(ticks, probe.committed)
    if following == len(ticks):
        return None
    wait = min(ticks[following] - probe.committed, probe.lag)
    return probe.lag + wait * (factor - 1)
