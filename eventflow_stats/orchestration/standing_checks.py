"""Checks that hold at any time, whatever was recomputed last: how fresh, how long ago proved, a random sample; and
(raw_share.py) whether the read API answers from the rollup, (corrections.py) which manual corrections are in force.

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

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.row_changes import changes_message
from eventflow_stats.engine.sample import prove_sample
from eventflow_stats.engine.upkeep import FRESH, TOO_OLD, Upkeep, upkeep
from eventflow_stats.errors import DayBusy, FailedDays, Unverifiable
from eventflow_stats.orchestration.alerting import told_failed_days
from eventflow_stats.orchestration.assets import marketing_stats_daily
from eventflow_stats.orchestration.corrections import adjustments_result
from eventflow_stats.orchestration.lost_connections import patiently
from eventflow_stats.orchestration.raw_share import raw_share_result
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.telling import differences_shown, first_of, unverifiable_result
from eventflow_stats.settings import load_settings
from eventflow_stats.words import counted, lasting, listed

TOLD_AGAIN_SECONDS = 900
TOLD_WHEN_REWORDED = {"adjustments_in_force"}
"""A correction is made by a person, who looks for it; the other checks say something new at every tick."""
_HOW_TO_PROVE = (
    "Schedule rolling_proof proves the days longest unproved: is it on, and do its runs succeed? By hand: launch job "
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
def sample_reconciles(
    context: dg.AssetCheckExecutionContext, config: SampleConfig, database: RollupDatabase
) -> dg.AssetCheckResult:
    with database.opened() as opened:
        seed = config.seed or int(time.time())
        try:
            return patiently(partial(sample_result, opened, seed, context.run.run_id), context.log)
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
        return freshness_result(patiently(partial(upkeep, opened, _today()), context.log))


@dg.asset_check(
    asset=marketing_stats_daily,
    description="For how long drift may have gone undetected: every computed day is compared whole with its facts "
    "again within EVENTFLOW_MAX_DRIFT_AGE hours.",
)
def history_proved_within_max_drift_age(
    context: dg.AssetCheckExecutionContext, database: RollupDatabase
) -> dg.AssetCheckResult:
    with database.opened() as opened:
        stands = patiently(partial(upkeep, opened, _today()), context.log)
        return history_result(stands, opened.settings.max_drift_age)


def standing_results(database: Database, seed: int) -> Mapping[str, dg.AssetCheckResult]:
    """All five, by the name of their check."""
    sample = sample_result(database, seed)
    stands = upkeep(database, _today())
    return {
        "sample_reconciles": sample,
        "is_fresh": freshness_result(stands),
        "history_proved_within_max_drift_age": history_result(stands, database.settings.max_drift_age),
        "answers_come_from_the_rollup": raw_share_result(database),
        "adjustments_in_force": adjustments_result(database),
    }


def unverifiable_results(error: Unverifiable) -> Mapping[str, dg.AssetCheckResult]:
    """The checks that say whether numbers are right, while nobody can know it; by the name of the check."""
    return dict.fromkeys(
        ("sample_reconciles", "is_fresh", "history_proved_within_max_drift_age"), unverifiable_result(error)
    )


def sample_result(database: Database, seed: int, run_id: str | None = None) -> dg.AssetCheckResult:
    """A random sample of scopes, proved, in a run where there is one. Facts that moved since are no failure: their
    scopes are dirty now."""
    passed_over: FailedDays = {}
    proved = list(prove_sample(database, seed, on_failed_day=passed_over.__setitem__))
    busy = [str(day) for day, error in passed_over.items() if isinstance(error, DayBusy)]
    failed = {day: error for day, error in passed_over.items() if str(day) not in busy}
    wrong = sum(day.wrong_groups for day in proved)
    groups = sum(day.totals.groups for day in proved)
    scopes = sum(day.proved_scopes + day.stale_scopes + day.wrong_scopes for day in proved)
    stale = sum(day.stale_scopes for day in proved)
    sample = f"sample of {counted(scopes, 'scope')}, {counted(groups, 'group')} (seed {seed})"
    if wrong:
        days = [str(day.day) for day in proved if day.wrong_groups]
        first = next(group for day in proved for group in day.differing if group.verdict == "wrong")
        told = f"{counted(wrong, 'wrong group')} on {listed(days)} in a {sample}; first: {first_of(first)}."
    elif not scopes and not passed_over:
        told = f"Nothing was computed yet that could be sampled (seed {seed})."
    elif not scopes:
        told = f"Nothing was compared (seed {seed})."
    elif stale:
        told = f"A {sample} has no wrong group; facts of {counted(stale, 'scope')} moved on, due for the next refresh."
    else:
        told = f"A {sample} equals the facts."
    if busy:
        told += f" Being written by another run, so not compared: {listed(busy)}."
    uncompared = told_failed_days(database, "compared", failed)
    if uncompared:
        told += f" {uncompared}."
    return dg.AssetCheckResult(
        passed=bool(scopes) and not wrong and not failed,
        severity=ERROR if wrong else WARN,
        description=told,
        metadata={
            "seed": seed,
            "scopes": scopes,
            "groups_compared": groups,
            "wrong_groups": wrong,
            "stale_scopes": stale,
            "facts_read": sum(day.totals.facts for day in proved),
            **(differences_shown(proved, ()) if wrong else {}),
            **({} if run_id is None else {"run": dg.MetadataValue.dagster_run(run_id)}),
        },
    )


def freshness_result(stands: Upkeep) -> dg.AssetCheckResult:
    """How old the newest state is that the rollup is known to show."""
    if stands.age is None:
        return dg.AssetCheckResult(
            passed=False, severity=WARN, description="Nobody has looked for new facts yet: is the schedule on?"
        )
    told = f"Facts committed before {lasting(stands.age)} ago are in the rollup"
    if stands.dirty_scopes:
        told += f"; {counted(stands.dirty_scopes, 'scope')} due for a refresh"
    changes = changes_message(stands)
    if changes:
        told += f"; {changes}"
    return dg.AssetCheckResult(
        passed=stands.age < FRESH and not stands.changes_overdue,
        severity=ERROR if stands.age >= TOO_OLD or stands.changes_overdue else WARN,
        description=told + ".",
        metadata={
            "age_minutes": round(stands.age.total_seconds() / 60, 2),
            "dirty_scopes": stands.dirty_scopes,
            **_changes_metadata(stands),
        },
    )


def _changes_metadata(stands: Upkeep) -> dict[str, dg.MetadataValue]:
    if stands.changed_since is None or stands.changes_found_by is None:
        return {}
    rows = (
        dg.MetadataValue.text("unknown") if stands.changed_rows is None else dg.MetadataValue.int(stands.changed_rows)
    )
    return {
        "changed_rows": rows,
        "changed_since": dg.MetadataValue.timestamp(stands.changed_since),
        "changes_found_by": dg.MetadataValue.timestamp(stands.changes_found_by),
    }


def history_result(stands: Upkeep, max_drift_age: float) -> dg.AssetCheckResult:
    """For how long drift may have gone undetected."""
    if stands.drift_age is None:
        return dg.AssetCheckResult(passed=False, severity=WARN, description="No day was computed yet.")
    hours = stands.drift_age.total_seconds() / 3600
    return dg.AssetCheckResult(
        passed=hours <= max_drift_age,
        severity=ERROR,
        description=f"No undetected drift older than {lasting(stands.drift_age)}: {stands.drift_day} is the day "
        f"longest unproved of {counted(stands.covered_days, 'day')}, the limit is {max_drift_age:g} hours.",
        metadata={
            "drift_age_hours": round(hours, 3),
            "max_drift_age_hours": max_drift_age,
            "oldest_proof_day": str(stands.drift_day),
            "covered_days": stands.covered_days,
            **({} if hours <= max_drift_age else {"how_to_prove": _HOW_TO_PROVE}),
        },
    )


def report_standing(
    instance: dg.DagsterInstance,
    results: Mapping[str, dg.AssetCheckResult],
    asset_key: dg.AssetKey = marketing_stats_daily.key,
) -> None:
    """Show results in the UI without a run: those that changed, corrections that did, those that a newer
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
