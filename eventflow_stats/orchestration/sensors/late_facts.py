"""The sensor for late facts: it refreshes the days before yesterday whose facts arrived, changed or were deleted.

Yesterday and today belong to the schedule ``every_five_minutes``. Days that were never computed are handled here too.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.held_and_sealed_days import held_days
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.rollup.sweep_timing import SECONDS_PER_TICK
from eventflow_stats.engine.status.answer_counts import DAYS_BY_DEFAULT
from eventflow_stats.engine.status.due_work import (
    StaleDay,
    missing_days_to_compute,
    stale_days,
    stale_outside_partitions,
)
from eventflow_stats.engine.status.freshness import FRESH
from eventflow_stats.errors import FailedDays
from eventflow_stats.formatting import format_count
from eventflow_stats.orchestration.alerting import alert_failed_days, alert_on_error, detect_or_alert
from eventflow_stats.orchestration.held_and_sealed_days import held_message
from eventflow_stats.orchestration.jobs import refresh_late_days
from eventflow_stats.orchestration.partitions import current_day, range_tags
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.run_history import BATCH, run_key, run_under_way, tries
from eventflow_stats.orchestration.runs.run_tags import DAYS, REASON, span
from eventflow_stats.orchestration.sensors.batches import QUICK_ATTEMPTS, batch_id, batches
from eventflow_stats.settings import load_settings

_settings = load_settings()
NEVER = datetime(1, 1, 1, tzinfo=UTC)
TURN = "eventflow/turn"
Turn = Literal["newest", "longest waiting"]


@dg.sensor(
    job=refresh_late_days,
    minimum_interval_seconds=_settings.sensor_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Detects facts of any day that arrived late, changed or were deleted, and refreshes the days before "
    "yesterday that have such facts. It also computes days that were never computed: those since the first day with "
    "facts or the first computed day, and those of the last 30 days. So it fills in a whole history, and the days of "
    "a pause. One run covers a batch of days, and only one run is active at a time. Runs alternate between the "
    "newest days and the days that have waited longest. A batch that failed three times is tried again every hour.",
)
@alert_on_error("late_facts")
def late_facts(context: dg.SensorEvaluationContext, database: RollupDatabase) -> dg.RunRequest | dg.SkipReason:
    today = current_day()
    failed: FailedDays = {}
    with database.opened() as opened:
        found = detect_or_alert(opened)
        # The schedule sweeps yesterday and today. They are due so often that they would take all the time here.
        last = today - timedelta(days=2)
        sweep_due_days(
            opened,
            _settings.start_date,
            last,
            at_once=False,
            seconds=SECONDS_PER_TICK,
            on_failed_day=failed.__setitem__,
        )
        unswept = alert_failed_days(opened, "swept", failed)
        late = _days_to_refresh(opened, last, today)
        before, after = stale_outside_partitions(opened, today)
        held = held_days(opened)
    under_way = run_under_way(context.instance, refresh_late_days.name)
    if late and under_way:
        return dg.SkipReason(f"{_late_message(late)}; run {under_way} is active, the rest follows after it.")
    turn = _turn(context.instance)
    for batch in _in_turn(late, turn):
        request = _request(context.instance, batch, turn)
        if request:
            return request
    if late:
        messages = [f"{_late_message(late)}: their refresh failed, it is tried again within the hour"]
    elif isinstance(found, str):
        messages = [found]
    else:
        nothing = found.busy_message or "Every day before yesterday is up to date"
        messages = [nothing, f"{format_count(found.new_facts, 'new fact')} of all days"]
    if unswept:
        messages.append(unswept)
    if held:
        messages.append(held_message(held))
    if before:
        messages.append(f"{format_count(before, 'day')} with facts before the start date {_settings.start_date}")
    if after:
        messages.append(f"{format_count(after, 'day')} with facts in the future, to be computed when that day comes")
    return dg.SkipReason("; ".join(messages) + ".")


def _days_to_refresh(database: Database, last: date, today: date) -> list[StaleDay]:
    """Days with stale client-days, and days that were never computed (with 0 client-days); newest first.

    Missing days may be years of history. They come after the days that have waited long, and before the newest ones."""
    waiting_since = datetime.now(UTC) - FRESH
    found = {day.bucket_date: day for day in stale_days(database, _settings.start_date, last)}
    # Also days before the first fact: an answer over the default days would be read from facts otherwise.
    read_since = today - timedelta(days=DAYS_BY_DEFAULT - 1)
    for missing in missing_days_to_compute(database, _settings.start_date, last, read_since):
        found.setdefault(missing, StaleDay(missing, NEVER, waiting_since, 0))
    return sorted(found.values(), key=lambda day: day.bucket_date, reverse=True)


def _turn(instance: dg.DagsterInstance) -> Turn:
    """The turn that the last run did not have: a stream of late facts must not delay older days for ever."""
    last = instance.get_runs(dg.RunsFilter(job_name=refresh_late_days.name), limit=1)
    return "longest waiting" if last and last[0].tags.get(TURN) == "newest" else "newest"


def _in_turn(late: Sequence[StaleDay], turn: Turn) -> list[list[StaleDay]]:
    """The batches in the order of the turn; newest first, days known to have facts come before missing ones."""
    newest = [*batches(day for day in late if day.client_days), *batches(day for day in late if not day.client_days)]
    if turn == "newest":
        return newest
    # Rounded to minutes: a whole history is found stale within moments, and its newest days are read most.
    return sorted(newest, key=lambda batch: min(day.waiting_since for day in batch).timestamp() // FRESH.seconds)


def _late_message(batch: Sequence[StaleDay]) -> str:
    stale = [day for day in batch if day.client_days]
    message = []
    if stale:
        client_days = sum(day.client_days for day in stale)
        message.append(f"late facts in {format_count(client_days, 'client-day')} on {format_count(len(stale), 'day')}")
    if len(stale) < len(batch):
        message.append(f"{format_count(len(batch) - len(stale), 'day')} never computed")
    return ", ".join(message)


def _request(instance: dg.DagsterInstance, batch: Sequence[StaleDay], turn: Turn) -> dg.RunRequest | None:
    """A run for these days; None while a batch that failed three times waits for its next attempt.

    A batch is its days and their newest late facts. A failed one is requested again twice at once, then every hour."""
    name = batch_id(",".join(f"{day.bucket_date}:{day.stale_since.isoformat()}" for day in batch))
    attempt = 1 + tries(instance, name).count
    if attempt > QUICK_ATTEMPTS and tries(instance, name, datetime.now(UTC) - timedelta(hours=1)).count:
        return None
    first, last = batch[-1].bucket_date, batch[0].bucket_date
    return dg.RunRequest(
        run_key=run_key(instance, name),
        run_config={"ops": {"marketing_stats_daily": {"config": {"client_days": "stale"}}}},
        tags={
            **range_tags(first, last),
            BATCH: name,
            DAYS: span(first, last),
            REASON: f"{_late_message(batch)}, attempt {attempt}",
            TURN: turn,
        },
    )
