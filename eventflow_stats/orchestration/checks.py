"""Asset checks: what a person reads about whether the numbers are right."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from eventflow_stats.engine.clients import find_clients
from eventflow_stats.engine.ledger import open_discrepancies
from eventflow_stats.engine.prove import NAMED_GROUPS, DifferingGroup, ProvedDay, prove
from eventflow_stats.orchestration.assets import marketing_stats_daily
from eventflow_stats.orchestration.lost_connections import day_by_day, patiently
from eventflow_stats.orchestration.partitions import days_between, days_of
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.run_tags import explain_run
from eventflow_stats.settings import load_settings

NAMED_IN_THE_UI = 200
ABSENT = "__null__"
# Few columns, all narrow or able to wrap: a wider table pushes the numbers, and the page's text, off the screen.
_TABLE = dg.TableSchema(
    columns=[
        dg.TableColumn("verdict", "string", "wrong, or stale: the facts moved since the day was computed."),
        dg.TableColumn("day", "string"),
        dg.TableColumn("client", "string"),
        dg.TableColumn("visits", "string", "Stored in the rollup, and what the facts say."),
        dg.TableColumn("conversions", "string", "Stored in the rollup, and what the facts say."),
        dg.TableColumn("group", "string", "Texts stand in quotes; __null__ without quotes is an absent value."),
    ]
)


class ReconcileConfig(dg.Config):
    """Which days to prove when the check runs on its own, without partitions."""

    first_day: str = Field(default="", description="First day, YYYY-MM-DD. Default: yesterday.")
    last_day: str = Field(default="", description="Last day, YYYY-MM-DD, included. Default: today.")


@dg.asset_check(
    asset=marketing_stats_daily,
    description="Compares every group of the run's days with the facts, both directions, zero tolerance. Wrong groups "
    "fail it; days whose facts moved since they were computed are a warning: they are due for the next refresh. "
    "Wrong groups that an earlier run found on other days fail it too, until they are repaired.\n\n"
    "Execute proves yesterday and today. For other days, launch job `verify_days` with the days in its config.",
)
def reconciles_with_facts(
    context: dg.AssetCheckExecutionContext, config: ReconcileConfig, database: RollupDatabase
) -> dg.AssetCheckResult:
    days = _days(context, config)
    rebuilt_only = _rebuilt_clients(context)
    explain_run(context.instance, context.run.run_id, days, "verify")
    with database.opened() as opened:
        clients = patiently(partial(find_clients, opened, rebuilt_only), context.log)
        proved = list(day_by_day(partial(prove, opened, clients=clients), days, context.log))
        found_before = patiently(partial(open_discrepancies, opened), context.log)
        # The UI shows the latest result alone: a wrong day must not turn green because another day was proved.
        open_elsewhere = {day: groups for day, groups in found_before.items() if day not in days}
    wrong = sum(day.wrong_groups for day in proved)
    uncovered = [day.day for day in proved if not day.covered]
    behind = [day for day in proved if day.covered and day.stale_scopes]
    named = [(day.day, group) for day in proved for group in day.differing]
    named.sort(key=lambda pair: (pair[1].verdict != "wrong", pair[0]))
    metadata: dict[str, Any] = {
        "first_day": str(proved[0].day),
        "last_day": str(proved[-1].day),
        "days": len(proved),
        "groups_compared": sum(day.totals.groups for day in proved),
        "facts_read": sum(day.totals.facts for day in proved),
        "wrong_groups": wrong,
        "wrong_groups_of_other_days": sum(open_elsewhere.values()),
        "stale_days": len(behind),
        "unresolved_facts": sum(day.totals.unresolved_facts for day in proved),
    }
    if rebuilt_only:
        metadata["only_clients"] = ", ".join(rebuilt_only)
    if named:
        records = [dg.TableRecord(_record(day, group)) for day, group in named[:NAMED_IN_THE_UI]]
        if len(named) > NAMED_IN_THE_UI or any(len(day.differing) == NAMED_GROUPS for day in proved):
            metadata["named_here"] = f"{len(records):,} groups; every wrong one is in eventflow_stats.discrepancies"
        metadata["differing_groups"] = dg.MetadataValue.table(records=records, schema=_TABLE)
        metadata["how_to_repair"] = "Materialize the days named here again; this check then runs again."
    return dg.AssetCheckResult(
        passed=not (wrong or open_elsewhere or behind or uncovered),
        severity=dg.AssetCheckSeverity.ERROR if wrong or open_elsewhere else dg.AssetCheckSeverity.WARN,
        description=_told(proved, wrong, open_elsewhere, behind, uncovered, named, rebuilt_only),
        metadata=metadata,
    )


def _days(context: dg.AssetCheckExecutionContext, config: ReconcileConfig) -> list[date]:
    run = context.op_execution_context
    if run.has_partition_key or run.has_partition_key_range:
        return days_of(run.partition_keys)
    today = datetime.now(ZoneInfo(load_settings().bucket_timezone)).date()
    try:
        first = date.fromisoformat(config.first_day) if config.first_day else today - timedelta(days=1)
        last = date.fromisoformat(config.last_day) if config.last_day else today
    except ValueError as error:
        raise dg.Failure(description=f"first_day and last_day should be YYYY-MM-DD: {error}") from None
    if first > last:
        raise dg.Failure(description=f"first_day {first} is after last_day {last}")
    return days_between(first, last)


def _rebuilt_clients(context: dg.AssetCheckExecutionContext) -> list[str]:
    """The clients this run was limited to: the others may never have been computed."""
    config: Any = context.op_execution_context.run.run_config
    return list(config.get("ops", {}).get("marketing_stats_daily", {}).get("config", {}).get("clients", []))


def _told(
    proved: Sequence[ProvedDay],
    wrong: int,
    open_elsewhere: dict[date, int],
    behind: Sequence[ProvedDay],
    uncovered: Sequence[date],
    named: Sequence[tuple[date, DifferingGroup]],
    only_clients: Sequence[str],
) -> str:
    told = []
    if wrong:
        days = [str(day.day) for day in proved if day.wrong_groups]
        told.append(f"{_count(wrong, 'wrong group')} on {_list(days)}; first: {_first(named[0][1])}")
    if open_elsewhere:
        days = [str(day) for day in open_elsewhere]
        told.append(
            f"{_count(sum(open_elsewhere.values()), 'wrong group')} found before and not repaired: {_list(days)}"
        )
    if behind:
        computed = "was computed" if len(behind) == 1 else "were computed"
        told.append(f"facts moved since {_list([str(day.day) for day in behind])} {computed}")
    if uncovered:
        told.append(f"never computed: {_list([str(day) for day in uncovered])}")
    if not told:
        groups = sum(day.totals.groups for day in proved)
        span = " to ".join(sorted({str(proved[0].day), str(proved[-1].day)}))
        told.append(f"{span}: {_count(groups, 'group')} on {_count(len(proved), 'day')} equal the facts")
    unresolved = sum(day.totals.unresolved_facts for day in proved)
    if unresolved:
        told.append(f"{_count(unresolved, 'fact')} of these days without a client, so in no group")
    if only_clients:
        told.append(f"compared for {_verbatim(', '.join(only_clients))} alone")
    return "; ".join(told) + "."


def _record(day: date, group: DifferingGroup) -> dict[str, str]:
    return {
        "verdict": group.verdict,
        "day": day.isoformat(),
        "client": _client(group),
        "visits": _compared(group.stored_visits, group.true_visits),
        "conversions": _compared(group.stored_conversions, group.true_conversions),
        "group": _key(group),
    }


def _first(group: DifferingGroup) -> str:
    visits = _compared(group.stored_visits, group.true_visits)
    conversions = _compared(group.stored_conversions, group.true_conversions)
    return f"{_verbatim(f'{_client(group)}, {_key(group)}')}: visits {visits}; conversions {conversions}"


def _client(group: DifferingGroup) -> str:
    return group.client_name or str(group.client_id)


def _key(group: DifferingGroup) -> str:
    utm = " / ".join(_quoted(value) for value in (group.utm_source, group.utm_medium, group.utm_campaign))
    return f"campaign {group.campaign_id or ABSENT}, link {group.link_id or ABSENT}, utm {utm}"


def _quoted(value: str | None) -> str:
    # In quotes, because a stored "__null__" is another group than an absent value.
    return ABSENT if value is None else json.dumps(value, ensure_ascii=False)


def _compared(stored: int | None, true: int | None) -> str:
    if stored == true:
        return f"{stored:,}" if stored is not None else "no row"
    return f"{_or_no_row(stored)}, should be {_or_no_row(true)}"


def _or_no_row(number: int | None) -> str:
    return "no row" if number is None else f"{number:,}"


def _verbatim(text: str) -> str:
    """A Markdown code span: the UI renders descriptions as Markdown, and UTM values come from the public web."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{' '.join(text.split())}{padding}{fence}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _list(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
