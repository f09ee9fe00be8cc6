"""The checks of age: how old the newest facts in the rollup are, and how long ago each day was verified."""

from functools import partial

import dagster as dg

from eventflow_stats.engine.status.freshness import FRESH, TOO_OLD, RollupFreshness, read_freshness
from eventflow_stats.formatting import format_count, format_duration
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.check_metadata import ERROR, WARN
from eventflow_stats.orchestration.partitions import current_day
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries

_HOW_TO_VERIFY = (
    "The schedule rolling_verification verifies these days: is it on, and do its runs succeed? By hand: launch the job "
    "verify_days with the days in its config, or run eventflow-stats verify --from DAY --to DAY."
)


@dg.asset_check(
    asset=marketing_stats_daily,
    description="Whether the rollup is up to date: a warning when facts committed 10 minutes ago may be missing from "
    "it, a failure from 30 minutes on. Its message also reports how many rows of EventFlow's tables changed and are "
    "not swept yet (searched for changed and deleted facts), since when, and by when the sweeps will be done. It fails "
    "when that time has passed.",
)
def rollup_is_fresh(context: dg.AssetCheckExecutionContext, database: RollupDatabase) -> dg.AssetCheckResult:
    with database.opened() as opened:
        return freshness_result(with_retries(partial(read_freshness, opened, current_day()), context.log))


@dg.asset_check(
    asset=marketing_stats_daily,
    description="Whether every computed day was verified whole within EVENTFLOW_MAX_DRIFT_AGE hours. So no wrong "
    "number can be undetected for longer.",
)
def history_verified(context: dg.AssetCheckExecutionContext, database: RollupDatabase) -> dg.AssetCheckResult:
    with database.opened() as opened:
        freshness = with_retries(partial(read_freshness, opened, current_day()), context.log)
        return history_result(freshness, opened.settings.max_drift_age)


def freshness_result(freshness: RollupFreshness) -> dg.AssetCheckResult:
    """How old the newest facts are that are certainly in the rollup."""
    if freshness.age is None:
        return dg.AssetCheckResult(
            passed=False,
            severity=WARN,
            description="New facts were never detected: is the schedule every_five_minutes on?",
        )
    message = f"Facts committed before {format_duration(freshness.age)} ago are in the rollup"
    if freshness.stale_client_days:
        message += f"; {format_count(freshness.stale_client_days, 'stale client-day')} to refresh"
    changes = freshness.changes_message
    if changes:
        message += f"; {changes}"
    return dg.AssetCheckResult(
        passed=freshness.age < FRESH and not freshness.changes_overdue,
        severity=ERROR if freshness.age >= TOO_OLD or freshness.changes_overdue else WARN,
        description=message + ".",
        metadata={
            "age_minutes": round(freshness.age.total_seconds() / 60, 2),
            "stale_client_days": freshness.stale_client_days,
            **_changes_metadata(freshness),
        },
    )


def _changes_metadata(freshness: RollupFreshness) -> dict[str, dg.MetadataValue]:
    if freshness.changed_since is None or freshness.changes_found_by is None:
        return {}
    rows = (
        dg.MetadataValue.text("unknown")
        if freshness.changed_rows is None
        else dg.MetadataValue.int(freshness.changed_rows)
    )
    return {
        "changed_rows": rows,
        "changed_since": dg.MetadataValue.timestamp(freshness.changed_since),
        "changes_found_by": dg.MetadataValue.timestamp(freshness.changes_found_by),
    }


def history_result(freshness: RollupFreshness, max_drift_age: float) -> dg.AssetCheckResult:
    """How long a wrong number may have been undetected: since the oldest verification of a computed day."""
    if freshness.drift_age is None:
        return dg.AssetCheckResult(passed=False, severity=WARN, description="No day was computed yet.")
    hours = freshness.drift_age.total_seconds() / 3600
    return dg.AssetCheckResult(
        passed=hours <= max_drift_age,
        severity=ERROR,
        description=f"Longest time since a whole verification: {format_duration(freshness.drift_age)}, for "
        f"{freshness.drift_day}, of {format_count(freshness.computed_days, 'computed day')}; the limit is "
        f"{max_drift_age:g} hours.",
        metadata={
            "drift_age_hours": round(hours, 3),
            "max_drift_age_hours": max_drift_age,
            "oldest_verification_day": str(freshness.drift_day),
            "computed_days": freshness.computed_days,
            **({} if hours <= max_drift_age else {"how_to_verify": _HOW_TO_VERIFY}),
        },
    )
