"""Asset checks: what a person reads about whether the numbers are right."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from eventflow_stats.engine.adjustments import DayAdjustments, adjustments_of_days
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.status.ledger import open_discrepancies
from eventflow_stats.engine.verification.verify import GroupDifference, VerifiedDay, verify
from eventflow_stats.errors import DayBusy, FailedDays, OnFailedDay, Unverifiable, UnverifiableDay
from eventflow_stats.formatting import counted, listed, verbatim
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.check_metadata import (
    adjustments_message,
    differences_shown,
    first_of,
    in_order,
    unverifiable_result,
)
from eventflow_stats.orchestration.day_states import (
    LeftAlone,
    left_messages,
    left_numbers,
    read_left_alone,
    seal_verified,
    sealed_messages,
)
from eventflow_stats.orchestration.partitions import days_between, days_of
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import DayByDay, first_reason, with_retries
from eventflow_stats.orchestration.runs.run_tags import explain_run, repaired_by
from eventflow_stats.settings import load_settings


class VerificationConfig(dg.Config):
    """Which days to verify when the check runs on its own, without partitions."""

    first_day: str = Field(default="", description="First day, YYYY-MM-DD. Default: yesterday.")
    last_day: str = Field(default="", description="Last day, YYYY-MM-DD, included. Default: today.")
    days: list[str] = Field(default=[], description="Or any days, each YYYY-MM-DD, instead of first and last.")
    seal_before: str = Field(
        default="",
        description="Seal the days before this one, YYYY-MM-DD, that verify equal: they keep their numbers then, "
        "whatever happens to their facts. Empty: none.",
    )


@dg.asset_check(  # type: ignore[arg-type]  # It runs generators too: this one fails its run after its result.
    asset=marketing_stats_daily,
    description="Compares every group of the run's days with the facts, both directions, zero tolerance. Wrong groups "
    "fail it; days whose facts changed since they were computed are a warning: they are due for the next refresh. "
    "Wrong groups that an earlier run found fail it too, until they are repaired. After a refresh "
    "it compares what was recomputed; facts that arrive meanwhile are the next refresh's, and no warning.\n\n"
    "It also fails as long as a day is held, because too many of its facts disappeared, and where rows of a sealed day "
    "were edited: sealed days are compared with their checksum, not with facts.\n\n"
    "Execute verifies yesterday and today. For other days, launch job `verify_days` with the days in its config.",
)
def verified_against_facts(
    context: dg.AssetCheckExecutionContext, config: VerificationConfig, database: RollupDatabase
) -> Iterator[dg.AssetCheckResult]:
    days = _days(context, config)
    recomputed: Any = context.op_execution_context.run.run_config
    recomputed = recomputed.get("ops", {}).get("marketing_stats_daily", {}).get("config", {})
    rebuilt_only = list(recomputed.get("clients", []))
    refreshed = recomputed.get("client_days", "all") != "all"
    explain_run(context.instance, context.run.run_id, days, "verify")
    with database.opened() as opened:
        clients = with_retries(partial(find_clients, opened, rebuilt_only), context.log)

        def work(todo: Sequence[date], on_failed_day: OnFailedDay) -> Iterator[VerifiedDay]:
            return verify(opened, todo, clients, refreshed, on_failed_day)

        verifying = DayByDay(work, days, context.log)
        try:
            verified = list(verifying)
        except Unverifiable as error:
            yield unverifiable_result(error)
            raise
        known = with_retries(partial(open_discrepancies, opened), context.log)
        left_alone = with_retries(partial(read_left_alone, opened), context.log)
        sealed = seal_verified(opened, verified, config.seal_before, repaired_by(context.run.run_id), context.log)
        by_day = with_retries(partial(adjustments_of_days, opened, min(days), max(days), clients), context.log)
    # The UI shows the latest result alone: what is wrong must not turn green because something else was verified.
    found_now = {day.day: day.wrong_groups for day in verified}
    left = {day: groups - found_now.get(day, 0) for day, groups in known.items()}
    open_elsewhere = {
        day: groups for day, groups in left.items() if groups > 0 and not (rebuilt_only and day in found_now)
    }
    wrong = sum(day.wrong_groups for day in verified)
    of_days = [by_day[day.day] for day in verified if day.day in by_day]
    adjustments = DayAdjustments(
        sum(day.adjustments for day in of_days),
        sum(day.visits for day in of_days),
        sum(day.conversions for day in of_days),
    )
    missing = [day.day for day in verified if not day.computed]
    behind = [day for day in verified if day.computed and day.stale_client_days and not refreshed and day.hold is None]
    named = in_order(verified)
    metadata: dict[str, Any] = {
        "first_day": str(min(days)),
        "last_day": str(max(days)),
        "days": len(verified),
        "groups_compared": sum(day.totals.groups for day in verified),
        "facts_read": sum(day.totals.facts for day in verified),
        "wrong_groups": wrong,
        "wrong_groups_found_before": sum(open_elsewhere.values()),
        "stale_days": len(behind),
        "unresolved_facts": sum(day.totals.unresolved_facts for day in verified),
        "adjustments": adjustments.adjustments,
        **left_numbers(verified, left_alone, sealed),
    }
    if rebuilt_only:
        metadata["only_clients"] = ", ".join(rebuilt_only)
    metadata |= differences_shown(verified, rebuilt_only)
    metadata["run"] = dg.MetadataValue.dagster_run(context.run.run_id)
    busy = [day for day, error in verifying.failed.items() if isinstance(error, DayBusy)]
    failed = {day: error for day, error in verifying.failed.items() if day not in busy}
    unverifiable = [str(day) for day, error in failed.items() if isinstance(error, UnverifiableDay)]
    metadata["unverifiable_days"] = len(unverifiable)
    yield dg.AssetCheckResult(
        passed=not (wrong or open_elsewhere or left_alone or behind or missing or verifying.failed),
        severity=dg.AssetCheckSeverity.ERROR
        if wrong or open_elsewhere or left_alone or unverifiable
        else dg.AssetCheckSeverity.WARN,
        description=_message(
            verified,
            wrong,
            open_elsewhere,
            behind,
            missing,
            busy,
            failed,
            named,
            rebuilt_only,
            adjustments,
            left_alone,
        ),
        metadata=metadata,
    )
    if failed:
        # A busy day's writer verifies it itself; this one nobody could compare.
        raise dg.Failure(
            description=f"{len(failed)} of {len(days)} days could not be compared: {first_reason(failed)}",
            metadata={"failed_days": ", ".join(map(str, failed))},
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
    today = datetime.now(ZoneInfo(load_settings().bucket_timezone)).date()
    try:
        first = date.fromisoformat(config.first_day) if config.first_day else today - timedelta(days=1)
        last = date.fromisoformat(config.last_day) if config.last_day else today
    except ValueError as error:
        raise dg.Failure(description=f"first_day and last_day should be YYYY-MM-DD: {error}") from None
    if first > last:
        raise dg.Failure(description=f"first_day {first} is after last_day {last}")
    return days_between(first, last)


def _message(
    verified: Sequence[VerifiedDay],
    wrong: int,
    open_elsewhere: dict[date, int],
    behind: Sequence[VerifiedDay],
    missing: Sequence[date],
    busy: Sequence[date],
    failed: FailedDays,
    named: Sequence[tuple[date, GroupDifference]],
    only_clients: Sequence[str],
    adjustments: DayAdjustments,
    left_alone: LeftAlone,
) -> str:
    message = left_messages(left_alone)
    if wrong:
        days = [str(day.day) for day in verified if day.wrong_groups]
        message.append(f"{counted(wrong, 'wrong group')} on {listed(days)}; first: {first_of(named[0][1])}")
    if open_elsewhere:
        days = [str(day) for day in open_elsewhere]
        message.append(
            f"{counted(sum(open_elsewhere.values()), 'wrong group')} found before and not repaired: {listed(days)}"
        )
    if behind:
        computed = "was computed" if len(behind) == 1 else "were computed"
        message.append(f"facts changed since {listed([str(day.day) for day in behind])} {computed}")
    if missing:
        message.append(f"never computed: {listed([str(day) for day in missing])}")
    if busy:
        message.append(f"being written by another run, so not compared: {listed([str(day) for day in busy])}")
    if failed:
        message.append(f"could not be compared: {listed([str(day) for day in failed])}; {first_reason(failed)}")
    compared = [day for day in verified if day.seal is None]
    if not message and compared:
        groups = sum(day.totals.groups for day in compared)
        span = " to ".join(sorted({str(compared[0].day), str(compared[-1].day)}))
        message.append(f"{span}: {counted(groups, 'group')} on {counted(len(compared), 'day')} equal the facts")
    message += sealed_messages(verified)
    meanwhile = sum(
        day.stale_client_days for day in verified if day not in behind and day.computed and day.hold is None
    )
    if meanwhile:
        message.append(f"facts of {counted(meanwhile, 'client-day')} moved on meanwhile, due for the next refresh")
    unresolved = sum(day.totals.unresolved_facts for day in verified)
    if unresolved:
        message.append(f"{counted(unresolved, 'fact')} of these days without a client, so in no group")
    if only_clients:
        message.append(f"compared for {verbatim(', '.join(only_clients))} alone")
    if adjustments.adjustments:
        message.append(f"beside these numbers, not in them: {adjustments_message(adjustments)}")
    return "; ".join(message) + "."
