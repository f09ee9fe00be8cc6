"""Evaluates the checks of data quality: EventFlow's goals, as warnings, and the alarms. Each names the clients.

They are evaluated together, by each run and by each tick of the schedule. Ticks matter because traffic that stopped
leaves nothing to compute, so no run starts.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality import anomalies
from eventflow_stats.engine.quality.anomalies import Anomalies, QualityFreshness
from eventflow_stats.engine.quality.goals import goal_results
from eventflow_stats.engine.status.freshness import TOO_OLD, read_freshness
from eventflow_stats.formatting import format_duration
from eventflow_stats.orchestration.alerting import send_alert
from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.checks.check_metadata import ERROR, NAMED_IN_THE_UI, WARN
from eventflow_stats.orchestration.checks.data_quality_specs import ENTRIES_HAVE_VISITS, GOALS, LINKS, SPECS, TRAFFIC
from eventflow_stats.orchestration.checks.data_quality_texts import (
    CheckText,
    goal_text,
    overrun_links_text,
    stopped_text,
    without_visits_text,
)
from eventflow_stats.orchestration.partitions import current_day, days_of
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries

GRACE = timedelta(hours=1)
"""How old a day has to be before it matters that it, or the end of the day before, was not computed."""
ALERTED = (ENTRIES_HAVE_VISITS, TRAFFIC)
"""Checks whose failure raises an alert too."""


@dg.multi_asset_check(
    name="data_quality_checks", specs=SPECS, description="All checks of data quality, evaluated together."
)
def data_quality_checks(
    context: dg.AssetCheckExecutionContext, database: RollupDatabase
) -> Iterator[dg.AssetCheckResult]:
    run: Any = context.op_execution_context
    config = run.run.run_config.get("ops", {}).get(marketing_data_quality_daily.op.name, {}).get("config", {})
    by_hand = (run.has_partition_key or run.has_partition_key_range) and not config.get("only_due")
    today = current_day()
    with database.opened() as opened:
        work = partial(quality_results, opened, today, days_of(run.partition_keys) if by_hand else [])
        results = with_retries(work, context.log)
    alert_failed_checks(database, results)
    yield from results.values()


def quality_results(database: Database, today: date, days: Sequence[date] = ()) -> dict[str, dg.AssetCheckResult]:
    """The results of all checks, by name; the goals are checked on yesterday, today and ``days``."""
    found_anomalies = anomalies.find_anomalies(database, today)
    unknown = _unknown_facts(database, today)
    checked = sorted({*days, today - timedelta(days=1), today})
    found = goal_results(database, checked, NAMED_IN_THE_UI)
    texts: dict[str, tuple[CheckText, dg.AssetCheckSeverity]] = {
        goal.check: (goal_text(goal, [day for day in found if day.goal == goal.rate], database.settings, checked), WARN)
        for goal in GOALS
    }
    texts[ENTRIES_HAVE_VISITS] = _entries_have_visits(found_anomalies, today, unknown)
    texts[TRAFFIC] = _traffic(found_anomalies, unknown)
    texts[LINKS] = (overrun_links_text(found_anomalies.overrun_links, anomalies.LINK_DAYS), WARN)
    return {
        name: dg.AssetCheckResult(
            passed=result.passed,
            asset_key=marketing_data_quality_daily.key,
            check_name=name,
            severity=severity,
            description=result.description,
            metadata=result.metadata,
        )
        for name, (result, severity) in texts.items()
    }


def format_results(results: Mapping[str, dg.AssetCheckResult]) -> str:
    """The message of a tick: the failures in full, the warnings by name."""
    failed = {name: result for name, result in results.items() if not result.passed}
    messages = [str(result.description) for result in failed.values() if result.severity == ERROR]
    warnings = [name for name, result in failed.items() if result.severity == WARN]
    if warnings:
        messages.append(f"Warnings: {', '.join(warnings)}.")
    return " ".join(messages) or "All its checks pass."


def alert_failed_checks(database: RollupDatabase, results: Mapping[str, dg.AssetCheckResult]) -> None:
    """Raise an alert for each failed alarm; the same one at most once an hour."""
    for name in ALERTED:
        result = results[name]
        if not result.passed and result.severity == ERROR:
            send_alert(database, f"check failed: {name}", f"{name}: {result.description}")


def _unknown_facts(database: Database, today: date) -> CheckText | None:
    """The text of an alarm while facts of the last half hour may be missing; None when they are known."""
    age = read_freshness(database, today).age
    if age is None or age < TOO_OLD:
        return None
    return CheckText(
        False,
        f"Unknown, because facts of the last {format_duration(age)} may be missing: "
        "are the schedules every_five_minutes and "
        "data_quality on, and do their runs succeed?",
        {},
    )


def _entries_have_visits(
    found: Anomalies, today: date, unknown: CheckText | None
) -> tuple[CheckText, dg.AssetCheckSeverity]:
    if found.freshness.today_computed_at is None:
        return _not_computed(found.freshness, "Today's data quality was not computed yet"), WARN
    if unknown and not found.without_visits:
        return unknown, WARN
    return without_visits_text(found.without_visits, today), ERROR


def _traffic(found: Anomalies, unknown: CheckText | None) -> tuple[CheckText, dg.AssetCheckSeverity]:
    if not (found.stopped or found.freshness.is_yesterday_closed):
        return _not_computed(found.freshness, "Yesterday's data quality was not computed since the day ended"), WARN
    if unknown and not found.stopped:
        return unknown, WARN
    return stopped_text(found.stopped), ERROR


def _not_computed(freshness: QualityFreshness, what: str) -> CheckText:
    if freshness.elapsed < GRACE:
        return CheckText(True, f"{what}; the day has just begun.", {})
    schedules = "every_five_minutes, rolling_verification and data_quality"
    return CheckText(False, f"Unknown. {what}: are the schedules {schedules} on?", {})
