"""How often days are swept for changed facts, and by when a change is found: pure functions of what a sweep costs."""

import math
from datetime import timedelta

from eventflow_stats.settings import Settings

LONGEST_REST = timedelta(hours=1)
"""How long history rests between two sweeps at the most, however much time they take and rows change."""
REST_PER_SWEEP_SECOND = 60
"""Sweeping history takes no more than this part of the time, unless an hour has passed."""
SECONDS_PER_TICK = 5
"""How long one tick of the late-facts sensor sweeps."""


def rest_between_sweeps(sweep_seconds: float | None) -> timedelta:
    """How long history rests between two sweeps: what can be swept in the five seconds of one look no longer than a
    tick of five minutes, larger ones in proportion, an hour at the most.

    Parameters: ``sweep_seconds`` that a sweep of all of it takes; None: never measured.
    """
    if sweep_seconds is None:
        return LONGEST_REST
    return min(LONGEST_REST, timedelta(seconds=REST_PER_SWEEP_SECOND * sweep_seconds))


def time_to_find_changes(sweep_seconds: float | None, settings: Settings) -> timedelta:
    """How long it takes at the most until every day was swept after a change of rows was seen.

    The rest of history; the looks of the sensor that a sweep needs, twice for a busy server, and one to begin with; two
    ticks of the schedule, which lets one pass by while a run is under way. The rolling verification finds what changed in any
    case.
    """
    verified = timedelta(hours=settings.max_drift_age)
    if sweep_seconds is None:
        return verified
    looks = 1 + 2 * math.ceil(sweep_seconds / SECONDS_PER_TICK)
    ticks = timedelta(minutes=2 * settings.tick_minutes)
    return min(
        verified, rest_between_sweeps(sweep_seconds) + looks * timedelta(seconds=settings.sensor_seconds) + ticks
    )
