"""The check that verifies a random sample of client-days."""

import time
from functools import partial

import dagster as dg
from pydantic import Field

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.verification.sample import verify_sample
from eventflow_stats.errors import DayBusy, FailedDays, Unverifiable
from eventflow_stats.formatting import format_count, format_list
from eventflow_stats.orchestration.alerting import alert_failed_days
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.check_metadata import (
    ERROR,
    WARN,
    difference_metadata,
    format_difference,
    unverifiable_result,
)
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries


class SampleConfig(dg.Config):
    """Which sample to draw."""

    seed: int = Field(
        default=0,
        ge=0,
        le=2**63 - 1,
        description="The seed of an earlier sample, to draw the same sample again. 0: a new seed.",
    )


@dg.asset_check(
    asset=marketing_stats_daily,
    description="Verifies a random sample: one client's one day at a time, with all its groups, against the facts. "
    "Fails when a group is wrong. To draw the same sample again, execute the check with its seed in the config.",
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


def sample_result(database: Database, seed: int, run_id: str | None = None) -> dg.AssetCheckResult:
    """Verify a random sample of client-days. A client-day whose facts changed becomes stale, which is no failure."""
    passed_over: FailedDays = {}
    verified = list(verify_sample(database, seed, on_failed_day=passed_over.__setitem__))
    busy = [str(day) for day, error in passed_over.items() if isinstance(error, DayBusy)]
    failed = {day: error for day, error in passed_over.items() if str(day) not in busy}
    wrong = sum(day.wrong_groups for day in verified)
    groups = sum(day.totals.groups for day in verified)
    client_days = sum(day.verified_client_days + day.stale_client_days + day.wrong_client_days for day in verified)
    stale = sum(day.stale_client_days for day in verified)
    sample = f"sample of {format_count(client_days, 'client-day')}, {format_count(groups, 'group')} (seed {seed})"
    if wrong:
        days = [str(day.day) for day in verified if day.wrong_groups]
        first = next(group for day in verified for group in day.differences if group.result == "wrong")
        wrong_groups = format_count(wrong, "wrong group")
        message = f"{wrong_groups} on {format_list(days)} in a {sample}; first: {format_difference(first)}."
    elif not client_days and not passed_over:
        message = f"No day was computed yet, so there is nothing to sample (seed {seed})."
    elif not client_days:
        message = f"Nothing was compared (seed {seed})."
    elif stale:
        message = (
            f"A {sample} has no wrong group; facts of {format_count(stale, 'client-day')} changed since, and the next "
            "refresh recomputes them."
        )
    else:
        message = f"A {sample} equals the facts."
    if busy:
        message += f" Not compared, because another run is writing: {format_list(busy)}."
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
            **(difference_metadata(verified, ()) if wrong else {}),
            **({} if run_id is None else {"run": dg.MetadataValue.dagster_run(run_id)}),
        },
    )
