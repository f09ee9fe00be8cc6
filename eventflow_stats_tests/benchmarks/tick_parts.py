"""Times one tick of the engine, part by part: the work of a 5-minute refresh, without Dagster."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError


@dataclass(frozen=True)
class Tick:
    """The seconds of each part, the number of stale client-days, and the facts that were read to recompute them."""

    detect: float
    refresh: float
    verify: float
    client_days: int
    facts: int
    written: int

    @property
    def seconds(self) -> float:
        return self.detect + self.refresh + self.verify


def run_tick(database: Database, days: Sequence[date], expected_new_facts: int) -> Tick:
    """Detect, refresh the days' stale client-days, and verify them.

    Raises:
        EventflowError: another number of new facts was found, or a day was not verified.
    """
    started = time.perf_counter()
    found = detect(database)
    detected = time.perf_counter()
    rebuilt = list(refresh(database, days))
    refreshed = time.perf_counter()
    verified = list(verify(database, days, only_unverified=True))
    finished = time.perf_counter()
    if found.new_facts != expected_new_facts:
        raise EventflowError(f"{found.new_facts} new facts were found instead of {expected_new_facts}")
    if any(day.result != "verified" for day in verified):
        raise EventflowError("a refreshed day was not verified")
    return Tick(
        detect=detected - started,
        refresh=refreshed - detected,
        verify=finished - refreshed,
        client_days=sum(found.stale_client_days.values()),
        facts=sum(day.totals.facts for day in rebuilt),
        written=sum(day.written for day in rebuilt),
    )
