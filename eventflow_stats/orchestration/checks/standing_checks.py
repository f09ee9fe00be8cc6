"""Checks that hold at any time, whatever was recomputed last: how fresh, how long ago verified, a random sample; and
(raw_share.py) whether the read API answers from the rollup, (adjustments.py) which manual adjustments are in force.

Each tick of the 5-minute schedule evaluates all five: its run does where there is something to refresh, the
tick itself where there is nothing.
"""

import time
from collections.abc import Mapping
from datetime import date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status
from pydantic import Field

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.known_changes import changes_message
from eventflow_stats.engine.status.progress import FRESH, TOO_OLD, Progress, read_progress
from eventflow_stats.engine.verification.sample import verify_sample
from eventflow_stats.errors import DayBusy, FailedDays, Unverifiable
from eventflow_stats.formatting import counted, lasting, listed
from eventflow_stats.orchestration.alerting import alert_failed_days
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.adjustments import adjustments_result
from eventflow_stats.orchestration.checks.check_metadata import differences_shown, first_of, unverifiable_result
from eventflow_stats.orchestration.checks.raw_share import raw_share_result
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries
from eventflow_stats.settings import load_settings

TOLD_AGAIN_SECONDS = 900
TOLD_WHEN_REWORDED = {"adjustments_in_force"}
"""An adjustment is made by a person, who looks for it; the other checks say something new at every tick."""
_HOW_TO_VERIFY = (
    "Schedule rolling_verification verifies the days longest not verified: is it on, and do its runs succeed? By hand: launch job "
    "verify_days with the days in its config, or run eventflow-stats verify --from DAY --to DAY."
)
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


class SampleConfig(dg.Config):
    """Which sample to draw."""

    seed: int = Field(
        default=0,
        ge=0,
        le=2**63 - 1,
        description="The seed of an earlier sample, to draw it again. 0: one of its own.",
    )


@dg.asset_check(
    asset=marketing_stats_daily,
    description="Compares a random sample of clients' days, each with all its groups, with the facts. The seed draws "
    "the same sample again: execute the check with it in the config.",
)
def sample_verified(
    context: dg.AssetCheckExecutionContext, config: SampleConfig, database: RollupDatabase
) -> dg.AssetCheckResult:
    with database.opened() as opened:
        seed = config.seed or int(time.time())
        try:
            return with_retries(partial(sample_result, opened, seed, context.run.run_id), context.log)
        except Unverifiable as error:
            return unverifiable_result(error)


@dg.asset_check(
    asset=marketing_stats_daily,
    description="How old the newest state of the facts is that the rollup shows: a warning from 10 minutes on, a "
    "failure from 30. Says how many rows of the product changed that the sweeps have not looked for yet, since when, "
    "and by when they will have: a failure where that time passed.",
)
def is_fresh(context: dg.AssetCheckExecutionContext, database: RollupDatabase) -> dg.AssetCheckResult:
    with database.opened() as opened:
        return freshness_result(with_retries(partial(read_progress, opened, _today()), context.log))


@dg.asset_check(
    asset=marketing_stats_daily,
    description="For how long drift may have gone undetected: every computed day is compared whole with its facts "
    "again within EVENTFLOW_MAX_DRIFT_AGE hours.",
)
def history_verified_within_max_age(
    context: dg.AssetCheckExecutionContext, database: RollupDatabase
) -> dg.AssetCheckResult:
    with database.opened() as opened:
        progress = with_retries(partial(read_progress, opened, _today()), context.log)
        return history_result(progress, opened.settings.max_drift_age)


def standing_results(database: Database, seed: int) -> Mapping[str, dg.AssetCheckResult]:
    """All five, by the name of their check."""
    sample = sample_result(database, seed)
    progress = read_progress(database, _today())
    return {
        "sample_verified": sample,
        "is_fresh": freshness_result(progress),
        "history_verified_within_max_age": history_result(progress, database.settings.max_drift_age),
        "answers_come_from_the_rollup": raw_share_result(database),
        "adjustments_in_force": adjustments_result(database),
    }


def unverifiable_results(error: Unverifiable) -> Mapping[str, dg.AssetCheckResult]:
    """The checks that say whether numbers are right, while nobody can know it; by the name of the check."""
    return dict.fromkeys(("sample_verified", "is_fresh", "history_verified_within_max_age"), unverifiable_result(error))


def sample_result(database: Database, seed: int, run_id: str | None = None) -> dg.AssetCheckResult:
    """A random sample of client-days, verified, in a run where there is one. Facts that changed since are no failure: their
    client-days are stale now."""
    passed_over: FailedDays = {}
    verified = list(verify_sample(database, seed, on_failed_day=passed_over.__setitem__))
    busy = [str(day) for day, error in passed_over.items() if isinstance(error, DayBusy)]
    failed = {day: error for day, error in passed_over.items() if str(day) not in busy}
    wrong = sum(day.wrong_groups for day in verified)
    groups = sum(day.totals.groups for day in verified)
    client_days = sum(day.verified_client_days + day.stale_client_days + day.wrong_client_days for day in verified)
    stale = sum(day.stale_client_days for day in verified)
    sample = f"sample of {counted(client_days, 'client-day')}, {counted(groups, 'group')} (seed {seed})"
    if wrong:
        days = [str(day.day) for day in verified if day.wrong_groups]
        first = next(group for day in verified for group in day.different if group.result == "wrong")
        message = f"{counted(wrong, 'wrong group')} on {listed(days)} in a {sample}; first: {first_of(first)}."
    elif not client_days and not passed_over:
        message = f"Nothing was computed yet that could be sampled (seed {seed})."
    elif not client_days:
        message = f"Nothing was compared (seed {seed})."
    elif stale:
        message = f"A {sample} has no wrong group; facts of {counted(stale, 'client-day')} moved on, due for the next refresh."
    else:
        message = f"A {sample} equals the facts."
    if busy:
        message += f" Being written by another run, so not compared: {listed(busy)}."
    uncompared = alert_failed_days(database, "compared", failed)
    if uncompared:
        message += f" {uncompared}."
    return dg.AssetCheckResult(
        passed=bool(client_days) and not wrong and not failed,
        severity=ERROR if wrong else WARN,
        description=message,
        metadata={
            "seed": seed,
            "client_days": client_days,
            "groups_compared": groups,
            "wrong_groups": wrong,
            "stale_client_days": stale,
            "facts_read": sum(day.totals.facts for day in verified),
            **(differences_shown(verified, ()) if wrong else {}),
            **({} if run_id is None else {"run": dg.MetadataValue.dagster_run(run_id)}),
        },
    )


def freshness_result(progress: Progress) -> dg.AssetCheckResult:
    """How old the newest state is that the rollup is known to show."""
    if progress.age is None:
        return dg.AssetCheckResult(
            passed=False, severity=WARN, description="Nobody has looked for new facts yet: is the schedule on?"
        )
    message = f"Facts committed before {lasting(progress.age)} ago are in the rollup"
    if progress.stale_client_days:
        message += f"; {counted(progress.stale_client_days, 'client-day')} due for a refresh"
    changes = changes_message(progress)
    if changes:
        message += f"; {changes}"
    return dg.AssetCheckResult(
        passed=progress.age < FRESH and not progress.changes_overdue,
        severity=ERROR if progress.age >= TOO_OLD or progress.changes_overdue else WARN,
        description=message + ".",
        metadata={
            "age_minutes": round(progress.age.total_seconds() / 60, 2),
            "stale_client_days": progress.stale_client_days,
            **_changes_metadata(progress),
        },
    )


def _changes_metadata(progress: Progress) -> dict[str, dg.MetadataValue]:
    if progress.changed_since is None or progress.changes_found_by is None:
        return {}
    rows = (
        dg.MetadataValue.text("unknown")
        if progress.changed_rows is None
        else dg.MetadataValue.int(progress.changed_rows)
    )
    return {
        "changed_rows": rows,
        "changed_since": dg.MetadataValue.timestamp(progress.changed_since),
        "changes_found_by": dg.MetadataValue.timestamp(progress.changes_found_by),
    }


def history_result(progress: Progress, max_drift_age: float) -> dg.AssetCheckResult:
    """For how long drift may have gone undetected."""
    if progress.drift_age is None:
        return dg.AssetCheckResult(passed=False, severity=WARN, description="No day was computed yet.")
    hours = progress.drift_age.total_seconds() / 3600
    return dg.AssetCheckResult(
        passed=hours <= max_drift_age,
        severity=ERROR,
        description=f"No undetected drift older than {lasting(progress.drift_age)}: {progress.drift_day} is the day "
        f"longest not verified of {counted(progress.computed_days, 'day')}, the limit is {max_drift_age:g} hours.",
        metadata={
            "drift_age_hours": round(hours, 3),
            "max_drift_age_hours": max_drift_age,
            "oldest_verification_day": str(progress.drift_day),
            "computed_days": progress.computed_days,
            **({} if hours <= max_drift_age else {"how_to_verify": _HOW_TO_VERIFY}),
        },
    )


def report_standing(
    instance: dg.DagsterInstance,
    results: Mapping[str, dg.AssetCheckResult],
    asset_key: dg.AssetKey = marketing_stats_daily.key,
) -> None:
    """Show results in the UI without a run: those that changed, adjustments that did, those that a newer
    materialization blanked, and the others every 15 minutes (each costs a row of Dagster's event log)."""
    keys = {name: dg.AssetCheckKey(asset_key, name) for name in results}
    shown = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    materialized = instance.get_latest_materialization_event(asset_key)
    blanked_before = materialized.timestamp if materialized else 0.0
    for name, result in results.items():
        last = shown.get(keys[name])
        expected = Status.SUCCEEDED if result.passed else Status.FAILED
        if (
            last is None
            or last.status != expected
            or (name in TOLD_WHEN_REWORDED and _description(last) != result.description)
            or last.create_timestamp < max(blanked_before, time.time() - TOLD_AGAIN_SECONDS)
        ):
            metadata: Any = result.metadata
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=asset_key,
                    check_name=name,
                    passed=bool(result.passed),
                    severity=result.severity,
                    description=result.description,
                    metadata=metadata,
                )
            )


def _description(shown: AssetCheckExecutionRecord) -> str | None:
    evaluation = shown.evaluation
    return evaluation.description if evaluation else None


def _today() -> date:
    return datetime.now(ZoneInfo(load_settings().bucket_timezone)).date()
