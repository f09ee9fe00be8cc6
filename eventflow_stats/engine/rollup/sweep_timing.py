"""How often days are swept for changed facts, and by when a change is found."""

import math
from datetime import timedelta

from eventflow_stats.settings import Settings

LONGEST_REST = timedelta(hours=1)
"""The longest pause between two sweeps of history (all days but yesterday and today)."""
REST_PER_SWEEP_SECOND = 60
"""The pause is so many times as long as a sweep of history takes."""
SECONDS_PER_TICK = 5
"""How long one tick of the sensor late_facts sweeps."""


def rest_between_sweeps(sweep_seconds: float | None) -> timedelta:
    """The pause between two sweeps of history: 60 times as long as a sweep takes, one hour at most.

    So a sweep of five seconds, one tick of the sensor, gives a pause of five minutes, one tick of the schedule.

    Parameters: ``sweep_seconds`` that a sweep of all history takes; None: never measured.
    """
    if sweep_seconds is None:
        return LONGEST_REST
    return min(LONGEST_REST, timedelta(seconds=REST_PER_SWEEP_SECOND * sweep_seconds))


def time_to_find_changes(sweep_seconds: float | None, settings: Settings) -> timedelta:
    """The longest time until every day was swept, after row counters showed a change.

    It is the sum of the pause; of the sensor ticks that a sweep needs (twice as many, for a busy server, and one to
    begin with); and of two ticks of the schedule, which skips one while a run is in progress. The rolling verification
    finds every change within EVENTFLOW_MAX_DRIFT_AGE, so the result is never longer than that.
    """
    verified = timedelta(hours=settings.max_drift_age)
    if sweep_seconds is None:
        return verified
    sensor_ticks = 1 + 2 * math.ceil(sweep_seconds / SECONDS_PER_TICK)
    schedule_ticks = timedelta(minutes=2 * settings.tick_minutes)
    return min(
        verified,
        rest_between_sweeps(sweep_seconds) + sensor_ticks * timedelta(seconds=settings.sensor_seconds) + schedule_ticks,
    )
