"""The check of a run's days: every group of the rollup is compared with the facts."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from eventflow_stats.engine.adjustments import adjustments_of_days
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.status.day_summary import open_discrepancies
from eventflow_stats.engine.verification.verify import VerifiedDay, verify
from eventflow_stats.errors import OnFailedDay, Unverifiable
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.check_metadata import unverifiable_result
from eventflow_stats.orchestration.checks.verification_result import VerificationResult
from eventflow_stats.orchestration.held_and_sealed_days import read_unchanged_days, seal_verified
from eventflow_stats.orchestration.partitions import current_day, days_between, days_of
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import DayByDay, first_reason, with_retries
from eventflow_stats.orchestration.runs.run_tags import add_run_tags, repaired_by


class VerificationConfig(dg.Config):
    """Which days to verify when the check is executed without partitions."""

    first_day: str = Field(default="", description="First day, YYYY-MM-DD. Default: yesterday.")
    last_day: str = Field(default="", description="Last day, YYYY-MM-DD, included. Default: today.")
    days: list[str] = Field(default=[], description="Single days, each YYYY-MM-DD, instead of first_day and last_day.")
    seal_before: str = Field(
        default="",
        description="Seal the verified days before this day, YYYY-MM-DD: they keep their numbers, whatever happens to "
        "their facts. Empty: seal none.",
    )


@dg.asset_check(  # type: ignore[arg-type]  # A generator works too: it yields the result and then fails the run.
    asset=marketing_stats_daily,
    description="Compares every group of the run's days with the facts, in both directions. A single different number "
    "is a wrong group, and the check fails until it is repaired, also in later runs of other days. A warning when "
    "facts of a day changed since it was computed: the next refresh recomputes it. After a refresh, only what was "
    "recomputed is compared; facts that arrive meanwhile are no warning, because the next refresh handles them.\n\n"
    "The check also fails while a day is held (too many of its facts disappeared), and when rows of a sealed day were "
    "edited. Sealed days are compared with their checksum instead of facts.\n\n"
    "*Execute* verifies yesterday and today. For other days, launch the job `verify_days` with the days in its config.",
)
def verified_against_facts(
    context: dg.AssetCheckExecutionContext, config: VerificationConfig, database: RollupDatabase
) -> Iterator[dg.AssetCheckResult]:
    days = _days(context, config)
    run_config: Any = context.op_execution_context.run.run_config
    rebuilt = run_config.get("ops", {}).get("marketing_stats_daily", {}).get("config", {})
    only_clients = list(rebuilt.get("clients", []))
    refreshed = rebuilt.get("client_days", "all") != "all"
    add_run_tags(context.instance, context.run.run_id, days, "verify")
    with database.opened() as opened:
        clients = with_retries(partial(find_clients, opened, only_clients), context.log)

        def work(todo: Sequence[date], on_failed_day: OnFailedDay) -> Iterator[VerifiedDay]:
            return verify(opened, todo, clients, refreshed, on_failed_day)

        verifying = DayByDay(work, days, context.log)
        try:
            verified = list(verifying)
        except Unverifiable as error:
            yield unverifiable_result(error)
            raise
        result = VerificationResult(
            days,
            verified,
            refreshed,
            only_clients,
            not_compared=verifying.failed,
            known=with_retries(partial(open_discrepancies, opened), context.log),
            unchanged=with_retries(partial(read_unchanged_days, opened), context.log),
            sealed=seal_verified(opened, verified, config.seal_before, repaired_by(context.run.run_id), context.log),
            adjustments_by_day=with_retries(
                partial(adjustments_of_days, opened, min(days), max(days), clients), context.log
            ),
        )
    yield dg.AssetCheckResult(
        passed=result.passed,
        severity=result.severity,
        description=result.message(),
        metadata={**result.metadata(), "run": dg.MetadataValue.dagster_run(context.run.run_id)},
    )
    if result.failed:
        # A day that another run writes is verified by that run. No run verifies a failed day, so this run fails.
        raise dg.Failure(
            description=f"{len(result.failed)} of {len(days)} days could not be compared: "
            f"{first_reason(result.failed)}",
            metadata={"failed_days": ", ".join(map(str, result.failed))},
        )


def _days(context: dg.AssetCheckExecutionContext, config: VerificationConfig) -> list[date]:
    run = context.op_execution_context
    if run.has_partition_key or run.has_partition_key_range:
        return days_of(run.partition_keys)
    if config.days:
        try:
            return sorted({date.fromisoformat(day) for day in config.days})
        except ValueError as error:
            raise dg.Failure(description=f"days should be YYYY-MM-DD each: {error}") from None
    today = current_day()
    try:
        first = date.fromisoformat(config.first_day) if config.first_day else today - timedelta(days=1)
        last = date.fromisoformat(config.last_day) if config.last_day else today
    except ValueError as error:
        raise dg.Failure(description=f"first_day and last_day should be YYYY-MM-DD: {error}") from None
    if first > last:
        raise dg.Failure(description=f"first_day {first} is after last_day {last}")
    return days_between(first, last)
