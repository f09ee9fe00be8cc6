"""One tick of the engine, timed part by part: what a 5-minute refresh does, less Dagster's share of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.refresh import refresh
from eventflow_stats.errors import EventflowError


@dataclass(frozen=True)
class Tick:
    """Seconds of each part; the scopes that were dirty, and the facts read to recompute them."""

    detect: float
    refresh: float
    prove: float
    scopes: int
    facts: int
    written: int

    @property
    def seconds(self) -> float:
        return self.detect + self.refresh + self.prove


def run_tick(database: Database, days: Sequence[date], expected_new_facts: int) -> Tick:
    """Detect, refresh the days' dirty scopes, prove what was refreshed.

    Raises:
        EventflowError: another number of new facts was found, or a day is not proved by it.
    """
    started = time.perf_counter()
    found = detect(database)
    detected = time.perf_counter()
    rebuilt = list(refresh(database, days))
    refreshed = time.perf_counter()
    proved = list(prove(database, days, only_unproved=True))
    finished = time.perf_counter()
    if found.new_facts != expected_new_facts:
        raise EventflowError(f"{found.new_facts} new facts were found instead of {expected_new_facts}")
    if any(day.verdict != "proved" for day in proved):
        raise EventflowError("a refreshed day was not proved")
    return Tick(
        detect=detected - started,
        refresh=refreshed - detected,
        prove=finished - refreshed,
        scopes=sum(found.dirty_scopes.values()),
        facts=sum(day.totals.facts for day in rebuilt),
        written=sum(day.written for day in rebuilt),
    )
