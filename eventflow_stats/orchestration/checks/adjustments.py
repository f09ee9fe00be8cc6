"""The check that lists the manual adjustments, which are added to the measured numbers when they are read."""

from functools import partial
from typing import Any

import dagster as dg

from eventflow_stats.engine.adjustments import DayAdjustments, RecordedAdjustment, adjustments, groups_below_zero
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.formatting import format_count, format_group_key, format_list, markdown_code
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.check_metadata import NAMED_IN_THE_UI, WARN, adjustments_message
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries

_TABLE = dg.TableSchema(
    columns=[
        dg.TableColumn("day", "string"),
        dg.TableColumn("client", "string"),
        dg.TableColumn("visits", "string", "What the adjustment adds."),
        dg.TableColumn("conversions", "string", "What the adjustment adds."),
        dg.TableColumn("why", "string", "Its number, its author and the reason."),
        dg.TableColumn("group", "string", "Texts are in quotes; __null__ without quotes is an absent value."),
    ]
)


@dg.asset_check(
    asset=marketing_stats_daily,
    description="Lists the manual adjustments in force. They are stored beside the measured numbers, and readers get "
    "the sum of both; rebuilds and verifications do not use them. A warning when a sum is below zero because facts "
    "disappeared since. `eventflow-stats adjust` adds an adjustment, `eventflow-stats revert-adjustment` reverts one.",
)
def adjustments_are_valid(context: dg.AssetCheckExecutionContext, database: RollupDatabase) -> dg.AssetCheckResult:
    with database.opened() as opened:
        return with_retries(partial(adjustments_result, opened), context.log)


def adjustments_result(database: Database) -> dg.AssetCheckResult:
    """The adjustments in force, newest first, and the groups that they leave below zero."""
    found = sorted(adjustments(database), key=lambda row: row.adjustment_id, reverse=True)
    below = groups_below_zero(database)
    total = DayAdjustments(
        len(found), sum(row.visits_delta for row in found), sum(row.conversions_delta for row in found)
    )
    metadata: dict[str, Any] = {
        "adjustments": total.adjustments,
        "visits_delta": total.visits,
        "conversions_delta": total.conversions,
        "groups_below_zero": len(below),
    }
    message = "No manual adjustment is in force."
    if found:
        days = format_count(len({row.bucket_date for row in found}), "day")
        newest = f"the newest is number {found[0].adjustment_id}, by {markdown_code(found[0].author)}"
        message = f"{adjustments_message(total)} on {days}; {newest}."
        records = [dg.TableRecord(_record(row)) for row in found[:NAMED_IN_THE_UI]]
        metadata["in_force"] = dg.MetadataValue.table(records=records, schema=_TABLE)
    if below:
        names = {row.client_id: markdown_code(row.client_name or str(row.client_id)) for row in found}
        named = format_list(
            [f"{group.bucket_date} of client {names.get(group.client_id, group.client_id)}" for group in below]
        )
        message += (
            f" They leave {format_count(len(below), 'group')} below zero, because facts disappeared since: {named}. "
            "Revert an adjustment, or add one that balances it."
        )
    return dg.AssetCheckResult(passed=not below, severity=WARN, description=message, metadata=metadata)


def _record(row: RecordedAdjustment) -> dict[str, str]:
    utm = (row.utm_source, row.utm_medium, row.utm_campaign)
    return {
        "day": row.bucket_date.isoformat(),
        "client": row.client_name or str(row.client_id),
        "visits": f"{row.visits_delta:+,}",
        "conversions": f"{row.conversions_delta:+,}",
        "why": f"{row.adjustment_id}, {row.author}: {row.reason}",
        "group": format_group_key(row.campaign_id, row.campaign_name, row.link_id, row.link_name, *utm),
    }
