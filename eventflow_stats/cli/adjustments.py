"""adjust, adjustments, revert-adjustment, import-adjustments: manual adjustments beside the measured numbers."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import click

from eventflow_stats.cli.options import (
    Command,
    Day,
    campaign_id,
    client_option,
    day_range,
    file_type,
    json_option,
    print_json,
)
from eventflow_stats.engine.adjustments import (
    LARGEST_ADJUSTMENT,
    AdjustmentResult,
    NewAdjustment,
    RecordedAdjustment,
    adjustments,
    open_ledger,
)
from eventflow_stats.engine.explain import parse_dimension
from eventflow_stats.engine.group_key import GroupKey
from eventflow_stats.engine.rollup.clients import find_client, find_clients, find_link
from eventflow_stats.errors import InvalidInput
from eventflow_stats.formatting import counted, format_group_key, in_quotes, printable
from eventflow_stats.local.import_adjustments import ImportedAdjustments, import_adjustments
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings

WITHOUT_FACTS = (
    "nothing was measured in this group, so it consists of adjustments alone; if another was meant, name its campaign, "
    "link and all three UTM (`eventflow-stats explain` lists a day's groups)"
)
DELTA = click.IntRange(-LARGEST_ADJUSTMENT, LARGEST_ADJUSTMENT)
execute_option = click.option("--execute", is_flag=True, help="Write it. Without, show what would happen.")
author_option = click.option("--author", required=True, help="Name of the person who answers for it.")


def dimensions(command: Command) -> Command:
    """The options that name a group beside its client and day."""
    for name, kind, text in (
        ("--utm-campaign", str, "UTM campaign of the group."),
        ("--medium", str, "UTM medium of the group."),
        ("--source", str, "UTM source of the group."),
        ("--link", str, "Link of the group: id or exact name."),
        ("--campaign", str, "Campaign of the group: its id."),
    ):
        command = click.option(name, type=kind, help=text)(command)
    return command


@click.command("adjust")
@click.option("--client", required=True, metavar="ID|SLUG|NAME", help="Client of the group.")
@click.option("--day", required=True, type=Day(), help="Day of the group, in the bucket time zone.")
@dimensions
@click.option("--visits", type=DELTA, default=0, metavar="±N", help="Visits to add (+3) or to take away (-3).")
@click.option("--conversions", type=DELTA, default=0, metavar="±N", help="Conversions to add or to take away.")
@click.option("--reason", required=True, help="Why the number is adjusted; kept for good.")
@author_option
@click.option("--again", is_flag=True, help="Also where the same adjustment is in force already.")
@execute_option
@json_option
def adjust_command(
    client: str, day: date, campaign: str | None, link: str | None, source: str | None, medium: str | None,
    utm_campaign: str | None, visits: int, conversions: int, reason: str, author: str, again: bool, execute: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Correct the numbers of one group by hand; a dry run unless --execute.

    An adjustment stands beside the measured numbers: readers get the sum of both and are reported so, rebuilds and verifications
    never see it. A group is named by campaign, link, source, medium and UTM campaign; what is left out, or
    none (or __null__), means absent, not any. A value in double quotes is taken as it is, as by `explain`.
    """
    settings = load_settings()
    with open_database(settings) as database:
        of_client = find_client(database, client)
        named = parse_dimension(link)
        group = GroupKey(
            of_client,
            day,
            campaign_id(parse_dimension(campaign)),
            None if named is None else find_link(database, of_client, named),
            parse_dimension(source),
            parse_dimension(medium),
            parse_dimension(utm_campaign),
        )
        with open_ledger(database, execute) as ledger:
            adjusted = ledger.add(NewAdjustment(group, visits, conversions, reason, author), again)
    _print(adjusted, 1, "added", execute, as_json)


@click.command("revert-adjustment")
@click.argument("adjustment_id", type=click.IntRange(1, 2**63 - 1), metavar="ID")
@click.option("--reason", required=True, help="Why it is reverted; kept for good.")
@author_option
@execute_option
@json_option
def revert_adjustment_command(adjustment_id: int, reason: str, author: str, execute: bool, as_json: bool) -> None:
    """Take one manual adjustment back; a dry run unless --execute.

    Its row stays in the ledger, with who reverted it, when and why. ID is its number (`eventflow-stats adjustments`).
    """
    with open_database(load_settings()) as database, open_ledger(database, execute) as ledger:
        adjusted = ledger.revert(adjustment_id, author, reason)
    _print(adjusted, -1, "reverted", execute, as_json)


@click.command("adjustments")
@client_option
@day_range(required=False)
@click.option("--all", "reverted", is_flag=True, help="Reverted ones too.")
@json_option
def adjustments_command(
    clients: tuple[str, ...], first_day: date | None, last_day: date | None, reverted: bool, as_json: bool
) -> None:
    """List manual adjustments in force, newest day first."""
    if first_day and last_day and first_day > last_day:
        raise InvalidInput(f"--from {first_day} is after --to {last_day}; swap them")
    with open_database(load_settings()) as database:
        found = adjustments(database, first_day, last_day, find_clients(database, clients), reverted)
    if as_json:
        print_json({"adjustments": [asdict(adjustment) for adjustment in found]})
        return
    for adjustment in found:
        for line in format_adjustment(adjustment):
            click.echo(line)
    standing = [adjustment for adjustment in found if adjustment.reverted_at is None]
    visits = sum(adjustment.visits_delta for adjustment in standing)
    conversions = sum(adjustment.conversions_delta for adjustment in standing)
    click.echo(f"{counted(len(standing), 'adjustment')} in force: visits {visits:+,}, conversions {conversions:+,}")


@click.command("import-adjustments")
@click.argument("file", type=file_type)
@author_option
@execute_option
@json_option
def import_adjustments_command(file: Path, author: str, execute: bool, as_json: bool) -> None:
    """Add the manual adjustments of a CSV file, all or nothing; a dry run unless --execute.

    FILE has the columns client, day, reason and any of campaign, link, utm_source, utm_medium, utm_campaign, visits,
    conversions. An empty field or __null__ is an absent dimension. The same file twice adds nothing, and what was
    reverted stays reverted.
    """
    with open_database(load_settings()) as database:
        imported = import_adjustments(database, file, author, execute)
    if as_json:
        counts = {"read": imported.read, "in_force": imported.in_force, "reverted": imported.reverted}
        new = [{"line": line, **_as_json(adjusted, 1, execute)} for line, adjusted in imported.new.items()]
        print_json({"executed": execute, "added": len(new), **counts, "adjustments": new})
        return
    for line, adjusted in imported.new.items():
        if not execute or not adjusted.has_facts:
            click.echo(f"line {line}: {change_message(adjusted)}")
    click.echo(import_message(imported, execute))


def change_message(adjusted: AdjustmentResult) -> str:
    """An adjustment of a file in one line: which group, what changes, and of how much."""
    row, after = adjusted.adjustment, adjusted.after
    message = (
        f"{_client(row)}, {row.bucket_date}, {format_group(row)}: visits {row.visits_delta:+,} to "
        f"{after.measured_visits:,} measured, conversions {row.conversions_delta:+,} to {after.measured_conversions:,}"
    )
    return message if adjusted.has_facts else f"{message}; {WITHOUT_FACTS}"


def import_message(imported: ImportedAdjustments, execute: bool) -> str:
    """One line: how many adjustments, how many new."""
    message = f"{counted(imported.read, 'adjustment')} read, {len(imported.new):,} {'added' if execute else 'to add'}"
    if imported.in_force:
        message += f", {imported.in_force:,} in force already"
    if imported.reverted:
        message += f", {imported.reverted:,} reverted before and left so"
    return message if execute else f"{message}; nothing was written, add --execute to write"


def format_adjustment(adjustment: RecordedAdjustment) -> list[str]:
    """An adjustment in two lines, a reverted one in three."""
    lines = [
        f"{adjustment.adjustment_id}: {adjustment.bucket_date}, {_client(adjustment)}, "
        f"{format_group(adjustment)}: visits {adjustment.visits_delta:+,}, conversions {adjustment.conversions_delta:+,}",
        f"    {in_quotes(adjustment.reason)}: {_line(adjustment.author)}, {adjustment.created_at:%Y-%m-%d %H:%M} UTC"
        + (f" (login {adjustment.recorded_by})" if adjustment.recorded_by else ""),
    ]
    if adjustment.reverted_at is not None:
        why = f" {in_quotes(adjustment.reverted_reason)}:" if adjustment.reverted_reason else ""
        login = f" (login {adjustment.reverted_recorded_by})" if adjustment.reverted_recorded_by else ""
        lines.append(
            f"    reverted:{why} {_line(adjustment.reverted_by or 'nobody named')}, "
            f"{adjustment.reverted_at:%Y-%m-%d %H:%M} UTC{login}"
        )
    return lines


def format_group(adjustment: RecordedAdjustment) -> str:
    """The dimensions of its group."""
    utm = (adjustment.utm_source, adjustment.utm_medium, adjustment.utm_campaign)
    return format_group_key(adjustment.campaign_id, adjustment.link_id, adjustment.link_name, *utm)


def _print(adjusted: AdjustmentResult, sign: int, done: str, execute: bool, as_json: bool) -> None:
    row, numbers = adjusted.adjustment, _numbers(adjusted, sign)
    if as_json:
        print_json({"executed": execute, **_as_json(adjusted, sign, execute)})
        return
    click.echo(f"{_client(row)}, {row.bucket_date}, {format_group(row)}")
    shown: tuple[tuple[str, Callable[[int], str]], ...] = (
        ("measured", "{:,}".format),
        ("adjustments_before", "{:+,}".format),
        ("change", "{:+,}".format),
        ("after", "{:,}".format),
    )
    click.echo("".join(["  ", " " * 11, *(f"{title:>14}" for title in ("measured", "adjustments", "this", "after"))]))
    for name, values in numbers.items():
        click.echo("".join([f"  {name:<11}", *(f"{message(values[key]):>14}" for key, message in shown)]))
    if sign > 0 and not adjusted.has_facts:
        click.echo(WITHOUT_FACTS)
    if execute:
        click.echo(f"{done} adjustment {row.adjustment_id}; `eventflow-stats adjustments --all` lists it")
    else:
        click.echo("nothing was written; add --execute to write it")


def _as_json(adjusted: AdjustmentResult, sign: int, execute: bool) -> dict[str, Any]:
    # What a dry run would number the adjustment, the next one may be.
    written: dict[str, Any] | None = asdict(adjusted.adjustment) if execute else None
    return {"adjustment": written, "group_has_facts": adjusted.has_facts, **_numbers(adjusted, sign)}


def _numbers(adjusted: AdjustmentResult, sign: int) -> dict[str, dict[str, int]]:
    row, after = adjusted.adjustment, adjusted.after
    change = (sign * row.visits_delta, sign * row.conversions_delta)
    measured = (after.measured_visits, after.measured_conversions)
    corrected = (after.visits_delta, after.conversions_delta)
    return {
        name: {
            "measured": measured[place],
            "adjustments_before": corrected[place] - change[place],
            "change": change[place],
            "after": measured[place] + corrected[place],
        }
        for place, name in enumerate(("visits", "conversions"))
    }


def _client(row: RecordedAdjustment) -> str:
    return printable(row.client_name or str(row.client_id))


def _line(text: str) -> str:
    return printable(" ".join(text.split()))
