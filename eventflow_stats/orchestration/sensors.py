"""The late-facts sensor: facts of older days, found as they arrive and brought into the rollup.

Yesterday and today belong to the 5-minute schedule. Every other day with facts that it was not computed from
is refreshed here, its dirty scopes alone.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.ledger import LateDay, late_days
from eventflow_stats.orchestration.jobs import refresh_late_days
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.settings import load_settings

_settings = load_settings()
BATCH_TAG = "eventflow/batch"
QUICK_ATTEMPTS = 3


@dg.sensor(
    job=refresh_late_days,
    minimum_interval_seconds=60,
    # Off until switched on in the UI: its first look dirties every day that was never computed, and so
    # computes a whole history without being asked.
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Looks for facts that are not in the rollup yet, of whatever day, and refreshes the days before "
    "yesterday that have some. One run per stretch of consecutive days.",
)
def late_facts(
    context: dg.SensorEvaluationContext, database: RollupDatabase
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    today = datetime.now(ZoneInfo(_settings.bucket_timezone)).date()
    with database.opened() as opened:
        found = detect(opened)
        late = late_days(opened, today - timedelta(days=1), _settings.max_partitions_per_run)
    in_reach = [day for day in late if day.bucket_date >= _settings.start_date]
    for stretch in _stretches(in_reach):
        yield _request(context.instance, stretch)
    if not in_reach:
        told = f"no day before yesterday has facts that are not in the rollup; {found.new_facts:,} new facts in all"
        if late:
            told += f"; {len(late)} days with facts lie before the start date {_settings.start_date}"
        yield dg.SkipReason(told)


def _stretches(days: Sequence[LateDay]) -> list[list[LateDay]]:
    found: list[list[LateDay]] = []
    for day in days:
        if found and found[-1][-1].bucket_date + timedelta(days=1) == day.bucket_date:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def _request(instance: dg.DagsterInstance, stretch: Sequence[LateDay]) -> dg.RunRequest:
    """A run for these days. Its key says which facts are late and which attempt it is: the same key never
    runs twice, more late facts make another, and a failed run is asked for again: twice at once, then hourly."""
    first, last = stretch[0].bucket_date, stretch[-1].bucket_date
    told = ",".join(f"{day.bucket_date}:{day.dirty_since.isoformat()}" for day in stretch)
    batch = hashlib.sha256(told.encode()).hexdigest()[:16]
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    attempt = 1 + instance.get_runs_count(dg.RunsFilter(tags={BATCH_TAG: batch}, statuses=ended))
    which = str(attempt) if attempt <= QUICK_ATTEMPTS else f"{datetime.now(UTC):%Y-%m-%dT%H}"
    scopes = sum(day.scopes for day in stretch)
    return dg.RunRequest(
        run_key=f"{batch}-{which}",
        run_config={"ops": {"marketing_stats_daily": {"config": {"only_dirty": True}}}},
        tags={
            **range_tags(first, last),
            BATCH_TAG: batch,
            "eventflow/days": f"{first} to {last}",
            "eventflow/reason": f"late facts in {scopes} scopes, attempt {attempt}",
        },
    )
