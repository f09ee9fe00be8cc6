"""The rollup as an asset, one partition per day."""

import time
from collections.abc import Iterator, Sequence
from datetime import date
from enum import Enum
from functools import partial

import dagster as dg
from pydantic import Field

from eventflow_stats.engine.adjustments import DayAdjustments, adjustments_of_days
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.rollup.rebuild import OperatorApproval, RebuiltDay, rebuild
from eventflow_stats.engine.rollup.refresh import Which, refresh
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.errors import FailedDays, InvalidInput, OnFailedDay
from eventflow_stats.orchestration.alerting import alert_failed_days, detect_or_alert
from eventflow_stats.orchestration.assets.external_assets import product_tables
from eventflow_stats.orchestration.held_and_sealed_days import (
    consent_of,
    log_losses,
    unchanged_line,
    unchanged_metadata,
)
from eventflow_stats.orchestration.partitions import backfill_policy, daily_partitions, days_of
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import DayByDay, first_reason, with_retries
from eventflow_stats.orchestration.runs.run_tags import add_run_tags, repaired_by

COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("client_id", "uuid", "The client the numbers belong to."),
        dg.TableColumn("bucket_date", "date", "The day in the deployment's bucket time zone."),
        dg.TableColumn("campaign_id", "uuid", "NULL for visits to a webinar without a campaign."),
        dg.TableColumn("marketing_campaign_link_id", "uuid", "The tracking link; NULL when there was none."),
        dg.TableColumn("utm_source", "text", "As stored with the fact; NULL when absent."),
        dg.TableColumn("utm_medium", "text", "As stored with the fact; NULL when absent."),
        dg.TableColumn("utm_campaign", "text", "As stored with the fact; NULL when absent."),
        dg.TableColumn("visits", "bigint", "Distinct sessions of the group, exact."),
        dg.TableColumn("conversions", "bigint", "Entries of the group."),
        dg.TableColumn("cvr", "numeric(10,2)", "Conversions per 100 visits; 0 without visits; may exceed 100."),
        dg.TableColumn("first_aggregated_at", "timestamptz", "When the row was first written."),
        dg.TableColumn("last_aggregated_at", "timestamptz", "When the row last changed."),
        dg.TableColumn("created_at", "timestamptz", "When the row was first written."),
        dg.TableColumn("updated_at", "timestamptz", "When the row last changed."),
        dg.TableColumn("id", "uuid", "Derived from the group's key."),
    ]
)


class ClientDays(Enum):
    """Which client-days of a day a run recomputes. (Dagster uses the names of an enum as its values.)"""

    all = "all"
    stale = "stale"
    wrong = "wrong"


NO_ADJUSTMENTS = DayAdjustments(adjustments=0, visits=0, conversions=0)
DETECT_SECONDS = 20
"""Days that are not swept in this time are left to the ticks of the schedule."""
MODES = {ClientDays.all: "rebuild", ClientDays.stale: "late", ClientDays.wrong: "repair"}
"""The mode tag of runs that an operator launched. The schedule's runs have "refresh". The queue starts one at a
time."""


class RebuildConfig(dg.Config):
    """What a run recomputes of its days."""

    clients: list[str] = Field(
        default=[],
        description="Recompute only these clients (id, slug or exact name). Rows of other clients do not change. "
        "Empty: all clients.",
    )
    client_days: ClientDays = Field(
        default=ClientDays.all,
        description="all: recompute whole days. stale: only the clients of a day whose facts arrived, changed or were "
        "deleted since it was computed, as the schedule does. wrong: only those with groups that a verification found "
        "wrong, as the sensor repair does.",
    )
    detect_first: bool = Field(
        default=False,
        description="First detect facts that arrived, changed or were deleted, as a tick of the schedule does. For a "
        "refresh (client_days: stale) that no tick requested.",
    )
    accept_deletion: bool = Field(
        default=False,
        description="Accept the deletion of facts of these days up to now. Without it, a day that lost too many facts "
        "is held: its numbers do not change.",
    )
    unseal: bool = Field(
        default=False,
        description="Recompute sealed days. Numbers whose facts are gone are lost; the log reports how much. Without "
        "it, sealed days do not change. A day whose facts are gone needs accept_deletion too.",
    )
    decided_by: str = Field(
        default="", description="Who accepts the deletion or unseals. It is recorded beside the run's id."
    )


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=backfill_policy,
    deps=product_tables,
    group_name="marketing_statistics",
    owners=["team:marketing-analytics"],
    kinds={"postgres", "sql"},
    metadata={"dagster/table_name": "public.marketing_stats_daily", "dagster/column_schema": COLUMNS},
    description=(
        "One row per client, day, campaign, link and UTM source, medium and campaign (a *group*): exact visits "
        "(distinct sessions), conversions (entries) and their rate.\n\nMaterializing a day recomputes it from the "
        "facts. Groups that no longer have facts are deleted, and rows that did not change are not written. A day can "
        "be materialized again at any time, also while the schedule runs. A *held* day (too many of its facts "
        "disappeared) and a *sealed* day (its facts may be gone) do not change: their partition shows the stored "
        "numbers and the reason.\n\nTo rebuild only some clients, open Config in the Materialize dialog and add "
        "`ops: {marketing_stats_daily: {config: {clients: [...]}}}` with their ids, slugs or exact names."
    ),
)
def marketing_stats_daily(context: dg.AssetExecutionContext, config: RebuildConfig, database: RollupDatabase) -> None:
    days = days_of(context.partition_keys)
    add_run_tags(context.instance, context.run.run_id, days, MODES[config.client_days])
    with database.opened() as opened:
        started = time.perf_counter()
        done: list[str] = []
        of_whole_days = config.client_days is ClientDays.all and not config.clients
        decision = (config.accept_deletion, config.unseal, of_whole_days)
        consent = consent_of(repaired_by(context.run.run_id), config.decided_by, *decision)
        work = partial(_recompute, opened, config, repaired_by(context.run.run_id), consent)
        recomputed = DayByDay(work, days, context.log)
        finished = False
        if config.detect_first:
            unswept = with_retries(partial(_detect_and_sweep, opened, days), context.log)
            if unswept:
                context.log.error(f"{unswept}; continuing with what is known")
        if config.unseal:
            with_retries(partial(log_losses, opened, days, context.log), context.log)
        adjusted = with_retries(partial(adjustments_of_days, opened, min(days), max(days)), context.log)
        try:
            for rebuilt in recomputed:
                day = rebuilt.day.isoformat()
                adjustments = adjusted.get(rebuilt.day, NO_ADJUSTMENTS)
                context.add_asset_metadata(_metadata(rebuilt, adjustments, config.clients), partition_key=day)
                done.append(day)
                context.log.info(_line(rebuilt, len(done), len(days)))
            finished = not recomputed.failed
        finally:
            if not finished:
                # Committed days are right, so the UI shows them as materialized although the run failed.
                _report_done(context, done)
        if failed := recomputed.failed:
            raise dg.Failure(
                description=f"{len(failed)} of {len(days)} days were not rebuilt: {first_reason(failed)}",
                metadata={"failed_days": ", ".join(map(str, failed))},
            )
        context.log.info(f"{len(days)} days in {time.perf_counter() - started:.1f} s")


def _detect_and_sweep(database: Database, days: Sequence[date]) -> str | None:
    undetected = detect_or_alert(database)
    failed: FailedDays = {}
    sweep_due_days(
        database, min(days), max(days), at_once=True, seconds=DETECT_SECONDS, on_failed_day=failed.__setitem__
    )
    unswept = alert_failed_days(database, "swept", failed)
    return "; ".join(each for each in (undetected, unswept) if isinstance(each, str)) or None


def _recompute(
    database: Database,
    config: RebuildConfig,
    by: str,
    consent: OperatorApproval,
    days: Sequence[date],
    on_failed_day: OnFailedDay,
) -> Iterator[RebuiltDay]:
    if config.client_days is ClientDays.all:
        yield from rebuild(database, days, find_clients(database, config.clients), by, on_failed_day, consent)
        return
    if config.clients:
        raise InvalidInput(f"clients are named and client_days is {config.client_days.name}; leave out one of the two")
    which: Which = "wrong" if config.client_days is ClientDays.wrong else "stale"
    yield from refresh(database, days, by, which, on_failed_day)


def _metadata(
    rebuilt: RebuiltDay, adjustments: DayAdjustments, only_clients: Sequence[str]
) -> dict[str, int | float | str]:
    """The numbers that the UI plots by day: the stored day and what this run did.

    Visits and conversions are the measured ones; the sums of the manual adjustments have their own entries."""
    found: dict[str, int | float | str] = {
        "rows": rebuilt.stored.groups,
        "rows_written": rebuilt.written,
        "rows_deleted": rebuilt.deleted,
        "visits": rebuilt.stored.visits,
        "conversions": rebuilt.stored.conversions,
        "facts_read": rebuilt.totals.facts,
        "seconds": round(rebuilt.seconds, 3),
        "adjustments": adjustments.adjustments,
        "adjustments_visits_delta": adjustments.visits,
        "adjustments_conversions_delta": adjustments.conversions,
    }
    if rebuilt.left is not None:
        return {**found, **unchanged_metadata(rebuilt.left)}
    if rebuilt.whole:
        return {**found, "unresolved_facts": rebuilt.totals.unresolved_facts}
    return {**found, "only_clients": ", ".join(only_clients)} if only_clients else found


def _line(rebuilt: RebuiltDay, number: int, total: int) -> str:
    totals = rebuilt.totals
    unchanged = unchanged_line(rebuilt)
    if unchanged:
        return f"{rebuilt.day} ({number} of {total}): {unchanged}"
    if not (rebuilt.whole or totals.facts or rebuilt.written or rebuilt.deleted):
        return f"{rebuilt.day} ({number} of {total}): nothing to recompute"
    return (
        f"{rebuilt.day} ({number} of {total}): {totals.visits} visits and {totals.conversions} conversions in "
        f"{totals.groups} groups from {totals.facts} facts; {rebuilt.written} rows written, {rebuilt.deleted} "
        f"deleted, {rebuilt.seconds:.2f} s"
        + (f"; {totals.unresolved_facts} facts belong to no client" if totals.unresolved_facts else "")
    )


def _report_done(context: dg.AssetExecutionContext, days: Sequence[str]) -> None:
    for day in days:
        context.log_event(dg.AssetMaterialization(asset_key="marketing_stats_daily", partition=day))
