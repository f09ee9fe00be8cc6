"""The schedules: the refresh of yesterday and today, the rolling verification of all history, and the data quality."""

from contextlib import suppress
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality.kpis import DueDay, due_days
from eventflow_stats.engine.rollup.held_and_sealed_days import held_days
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.status.due_work import days_to_verify, missing_days, seal_before, stale_days
from eventflow_stats.engine.status.freshness import record_tick
from eventflow_stats.errors import EventflowError, FailedDays, Unverifiable
from eventflow_stats.formatting import format_count
from eventflow_stats.orchestration.alerting import alert_failed_days, alert_on_error, detect_or_alert, first_line
from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.checks.data_quality import alert_failed_checks, format_results, quality_results
from eventflow_stats.orchestration.checks.runless_checks import (
    evaluate_checks,
    report_without_run,
    unverifiable_results,
)
from eventflow_stats.orchestration.held_and_sealed_days import held_message
from eventflow_stats.orchestration.jobs import compute_data_quality, refresh_recent_days, verify_history
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.run_history import run_under_way
from eventflow_stats.orchestration.runs.run_tags import DAYS, REASON, span
from eventflow_stats.settings import load_settings

_settings = load_settings()
SWEEP_SECONDS = 20
"""A tick has a minute. Days that are not swept in this time are left to the next tick."""


@dg.schedule(
    job=refresh_recent_days,
    cron_schedule=f"*/{_settings.tick_minutes} * * * *",
    execution_timezone=_settings.bucket_timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every five minutes (EVENTFLOW_TICK_MINUTES): detects facts that arrived, changed or were deleted, and "
    "starts a run that refreshes what is stale of yesterday and today. If nothing is stale it starts no run; it "
    "verifies a random sample and evaluates the other checks instead. A tick is skipped while the run of an earlier "
    "tick is active.",
)
@alert_on_error("every_five_minutes")
def every_five_minutes(
    context: dg.ScheduleEvaluationContext, database: RollupDatabase
) -> dg.RunRequest | dg.SkipReason:
    # The scheduled time, not now: a tick that is executed late, after midnight, is about the day it was due on.
    due = context.scheduled_execution_time
    today = due.astimezone(ZoneInfo(_settings.bucket_timezone)).date()
    if today < _settings.start_date:
        return dg.SkipReason(f"The first partition, {_settings.start_date}, is in the future.")
    under_way = run_under_way(context.instance, refresh_recent_days.name)
    first, seed = max(today - timedelta(days=1), _settings.start_date), int(due.timestamp())
    with database.opened() as opened:
        if under_way:
            outcome = f"Run {under_way} of an earlier tick is still active; the next tick does this one's work."
            record_tick(opened, due, outcome)
            return dg.SkipReason(outcome)
        # Recorded before anything can fail, so that a person sees that the schedule runs but does not get through.
        record_tick(opened, due, "Detecting new facts.")
        try:
            why, nothing = _find_stale(opened, first, today)
            if why is None:
                results = evaluate_checks(opened, seed)
                report_without_run(context.instance, results)
                outcome = f"{nothing}. {results['sample_verified'].description}"
                record_tick(opened, due, outcome)
                return dg.SkipReason(outcome)
            record_tick(opened, due, f"Requested a refresh of {first} to {today}: {why}")
        except Exception as error:
            if isinstance(error, Unverifiable):
                report_without_run(context.instance, unverifiable_results(error))
            with suppress(EventflowError):
                record_tick(opened, due, f"Failed: {first_line(str(error))}.")
            raise
    return dg.RunRequest(
        run_config={
            "ops": {
                "marketing_stats_daily": {"config": {"client_days": "stale"}},
                "marketing_stats_daily_sample_verified": {"config": {"seed": seed}},
            }
        },
        tags={**range_tags(first, today), DAYS: span(first, today), REASON: why},
    )


def _find_stale(database: Database, first: date, today: date) -> tuple[str | None, str]:
    """Detect and sweep; returns why the days need a refresh (None if they do not), and the message if they do not."""
    found = detect_or_alert(database, [first, today])
    failed: FailedDays = {}
    swept = sweep_due_days(
        database,
        first,
        today,
        at_once=True,
        seconds=SWEEP_SECONDS,
        on_failed_day=failed.__setitem__,
        named=() if isinstance(found, str) else found.miscounted_days,
    )
    if isinstance(found, str):
        checked, busy = found, None
    else:
        checked = f"{format_count(found.new_facts, 'new fact')} of any day since {found.since:%Y-%m-%d %H:%M} UTC"
        busy = found.busy_message
    if swept:
        checked += f", {format_count(len(swept), 'day')} swept for changed and deleted facts"
    unswept = alert_failed_days(database, "swept", failed)
    if unswept:
        checked += f"; {unswept}"
    held = held_days(database)
    if held:
        checked += f"; {held_message(held)}"
    why = []
    stale = stale_days(database, first, today)
    if stale:
        client_days = sum(day.client_days for day in stale)
        why.append(f"{format_count(client_days, 'stale client-day')} on {format_count(len(stale), 'day')}")
    missing = missing_days(database, first, today)
    if missing:
        why.append(f"never computed: {', '.join(str(day) for day in missing)}")
    nothing = f"{busy}; {checked}" if busy else f"Nothing to refresh: {checked}"
    return ("; ".join(why) + f" ({checked})" if why else None), nothing


@dg.schedule(
    job=verify_history,
    cron_schedule=f"*/{2 * _settings.tick_minutes} * * * *",
    execution_timezone=_settings.bucket_timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every second tick, so every ten minutes: starts a run that verifies the days that are due, the day "
    "with the oldest verification first. A computed day is due when it has ended, and again when half of "
    "EVENTFLOW_MAX_DRIFT_AGE has passed. Days older than EVENTFLOW_FACTS_KEPT_DAYS are verified once more and then "
    "sealed: they keep their numbers, whatever happens to their facts. Rows of sealed days are compared with their "
    "checksum.",
)
@alert_on_error("rolling_verification")
def rolling_verification(
    context: dg.ScheduleEvaluationContext, database: RollupDatabase
) -> dg.RunRequest | dg.SkipReason:
    under_way = run_under_way(context.instance, verify_history.name)
    if under_way:
        return dg.SkipReason(f"Run {under_way} is still verifying; the next tick continues after it.")
    with database.opened() as opened:
        due = days_to_verify(opened, _settings.max_partitions_per_run)
    if not due:
        return dg.SkipReason(
            f"Every computed day was verified whole since it ended and within {_settings.max_drift_age / 2:g} hours."
        )
    days = sorted(str(day) for day in due)
    config: dict[str, Any] = {"days": days}
    first_kept = seal_before(_settings)
    if first_kept is not None:
        config["seal_before"] = str(first_kept)
    return dg.RunRequest(
        run_config={"ops": {"marketing_stats_daily_verified_against_facts": {"config": config}}},
        tags={
            DAYS: days[0] if len(days) == 1 else f"{format_count(len(days), 'day')}, {days[0]} to {days[-1]}",
            REASON: "due for a verification",
        },
    )


@dg.schedule(
    job=compute_data_quality,
    cron_schedule=f"*/{2 * _settings.tick_minutes} * * * *",
    execution_timezone=_settings.bucket_timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every second tick, so every ten minutes: starts a run that computes the data quality of what was "
    "recomputed or verified whole since, newest days first. If there is nothing to compute, or while an earlier run is "
    "active, it starts no run. Every tick and every run evaluates the checks of the data quality.",
)
@alert_on_error("data_quality")
def data_quality(context: dg.ScheduleEvaluationContext, database: RollupDatabase) -> dg.RunRequest | dg.SkipReason:
    today = context.scheduled_execution_time.astimezone(ZoneInfo(_settings.bucket_timezone)).date()
    under_way = run_under_way(context.instance, compute_data_quality.name)
    with database.opened() as opened:
        # At every tick, because a run that fails at one day evaluates no check and may fail again and again.
        results = quality_results(opened, today)
        report_without_run(context.instance, results, marketing_data_quality_daily.key)
        due = due_days(opened, _settings.start_date, today, _settings.max_partitions_per_run)
    alert_failed_checks(database, results)
    if under_way:
        return dg.SkipReason(f"Run {under_way} is still computing data quality; the next tick continues after it.")
    if not due:
        return dg.SkipReason(f"The data quality of every client and day is up to date. {format_results(results)}")
    # Days close enough for one run; the days between them cost nothing.
    last = due[0].bucket_date
    batch = [day for day in due if (last - day.bucket_date).days < _settings.max_partitions_per_run]
    first = batch[-1].bucket_date
    return dg.RunRequest(
        run_config={"ops": {"marketing_data_quality_daily": {"config": {"only_due": True}}}},
        tags={**range_tags(first, last), DAYS: span(first, last), REASON: _why_due(batch)},
    )


def _why_due(batch: list[DueDay]) -> str:
    recomputed = [day.clients for day in batch if day.clients is not None]
    message = []
    if recomputed:
        message.append(
            f"{format_count(sum(recomputed), 'client-day')} recomputed on {format_count(len(recomputed), 'day')}"
        )
    if len(recomputed) < len(batch):
        message.append(f"{format_count(len(batch) - len(recomputed), 'day')} never computed or verified whole since")
    return "; ".join(message)
