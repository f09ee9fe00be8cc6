"""The partitions of the assets: one for each day in the bucket time zone, from the start date to today."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from eventflow_stats.errors import InvalidInput
from eventflow_stats.orchestration.dagster_internals import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from eventflow_stats.settings import load_settings

_settings = load_settings()

# end_offset=1: without it, today has no partition and a tick for today fails.
daily_partitions = dg.DailyPartitionsDefinition(
    start_date=_settings.start_date.isoformat(), timezone=_settings.bucket_timezone, end_offset=1
)

backfill_policy = dg.BackfillPolicy.multi_run(max_partitions_per_run=_settings.max_partitions_per_run)


def range_tags(first: date, last: date) -> dict[str, str]:
    """The tags with which one run covers the days from first to last, both included.

    Raises:
        InvalidInput: first is after last, or a day has no partition because it is before the start date or in the
            future. Dagster would shift such a range without an error.
    """
    if first > last:
        raise InvalidInput(f"{first} is after {last}; the first day comes first")
    for day in (first, last):
        if not daily_partitions.has_partition_key(day.isoformat()):
            raise InvalidInput(
                f"{day} has no partition; days go from {_settings.start_date} (setting EVENTFLOW_START_DATE) to today"
            )
    return {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
    }


def days_of(partition_keys: Sequence[str]) -> list[date]:
    """The days of partition keys."""
    return [date.fromisoformat(key) for key in partition_keys]


def days_between(first: date, last: date) -> list[date]:
    """Every day from first to last, both included."""
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]


def current_day() -> date:
    """Today in the bucket time zone."""
    return datetime.now(ZoneInfo(load_settings().bucket_timezone)).date()
