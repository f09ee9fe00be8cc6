"""Batches of days, one run each, for the sensors ``late_facts`` and ``repair``."""

import hashlib
from collections.abc import Iterable
from typing import TypeVar

from eventflow_stats.engine.status.due_work import StaleDay, WrongClientDay
from eventflow_stats.settings import load_settings

_settings = load_settings()
QUICK_ATTEMPTS = 3
WIDEST_GAP = 30
"""Days with nothing to do between two of a batch. Each is 4 kB of Dagster's event log and next to no time; a run of its
own is 23 kB and the seconds in which its process starts."""

Dated = TypeVar("Dated", StaleDay, WrongClientDay)


def batches(newest_first: Iterable[Dated]) -> list[list[Dated]]:
    """Days that are close enough for one run, which also materializes the days between them."""
    found: list[list[Dated]] = []
    for item in newest_first:
        if found:
            span, gap = ((near.bucket_date - item.bucket_date).days for near in (found[-1][0], found[-1][-1]))
            if span < _settings.max_partitions_per_run and gap <= WIDEST_GAP:
                found[-1].append(item)
                continue
        found.append([item])
    return found


def batch_id(content: str) -> str:
    """A short id for the content of a batch; it is the same for the same content."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]
