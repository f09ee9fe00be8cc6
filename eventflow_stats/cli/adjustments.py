"""adjust, adjustments, revert-adjustment, import-adjustments: manual adjustments beside the measured numbers."""

from dataclasses import asdict
from datetime import date
from pathlib import Path

import click

from eventflow_stats.cli.adjustment_format import (
    adjusted_as_json,
    change_message,
    format_adjusted,
    format_adjustment,
    import_message,
    total_message,
)
from eventflow_stats.cli.options import (
    Command,
    Day,
    campaign_id,
    client_option,
    day_range,
    file_type,
    json_option,
    print_json,
    print_lines,
)
from eventflow_stats.engine.adjustments import (
    LARGEST_ADJUSTMENT,
    AdjustmentResult,
    NewAdjustment,
    adjustments,
    open_ledger,
)
from eventflow_stats.engine.explain import parse_dimension
from eventflow_stats.engine.group_key import GroupKey
from eventflow_stats.engine.rollup.clients import find_client, find_clients, find_link
from eventflow_stats.errors import InvalidInput
from eventflow_stats.local.import_adjustments import import_adjustments
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings

DELTA = click.IntRange(-LARGEST_ADJUSTMENT, LARGEST_ADJUSTMENT)
execute_option = click.option("--execute", is_flag=True, help="Write it. Without: show what would happen.")
author_option = click.option("--author", required=True, help="Name of the person who is responsible for it.")


def group_options(command: Command) -> Command:
    """Add the options that name a group beside its client and day."""
    for name, text in (
        ("--utm-campaign", "UTM campaign of the group."),
        ("--medium", "UTM medium of the group."),
        ("--source", "UTM source of the group."),
        ("--link", "Link of the group: id or exact name."),
        ("--campaign", "Campaign of the group: its id."),
    ):
        command = click.option(name, help=text)(command)
    return command


@click.command("adjust")
@click.option("--client", required=True, metavar="ID|SLUG|NAME", help="Client of the group.")
@click.option("--day", required=True, type=Day(), help="Day of the group, in the bucket time zone.")
@group_options
@click.option("--visits", type=DELTA, default=0, metavar="±N", help="Visits to add (+3) or to take away (-3).")
@click.option("--conversions", type=DELTA, default=0, metavar="±N", help="Conversions to add or to take away.")
@click.option("--reason", required=True, help="Why the number is adjusted; stored for good.")
@author_option
@click.option("--again", is_flag=True, help="Also if the same adjustment is in force already.")
@execute_option
@json_option
def adjust_command(
    client: str, day: date, campaign: str | None, link: str | None, source: str | None, medium: str | None,
    utm_campaign: str | None, visits: int, conversions: int, reason: str, author: str, again: bool, execute: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Adjust the numbers of one group by hand.

    A dry run unless --execute. The adjustment is stored beside the measured numbers. Readers get the sum of both,
    marked as adjusted; rebuilds and verifications ignore it. Campaign, link, source, medium and UTM campaign name
    the group. An option that is left out means absent, not any; none and __null__ mean the same. A value in double
    quotes is taken literally.
    """
    settings = load_settings()
    with open_database(settings) as database:
        client_id, link = find_client(database, client), parse_dimension(link)
        group = GroupKey(
            client_id,
            day,
            campaign_id(parse_dimension(campaign)),
            None if link is None else find_link(database, client_id, link),
            parse_dimension(source),
            parse_dimension(medium),
            parse_dimension(utm_campaign),
        )
        with open_ledger(database, execute) as ledger:
            adjusted = ledger.add(NewAdjustment(group, visits, conversions, reason, author), again)
    _print(adjusted, 1, "added", execute, as_json)


@click.command("revert-adjustment")
@click.argument("adjustment_id", type=click.IntRange(1, 2**63 - 1), metavar="ID")
@click.option("--reason", required=True, help="Why it is reverted; stored for good.")
@author_option
@execute_option
@json_option
def revert_adjustment_command(adjustment_id: int, reason: str, author: str, execute: bool, as_json: bool) -> None:
    """Revert one manual adjustment.

    A dry run unless --execute. Its row stays in the ledger, with author, time and reason of the reversal.
    `eventflow-stats adjustments` lists IDs.
    """
    with open_database(load_settings()) as database, open_ledger(database, execute) as ledger:
        adjusted = ledger.revert(adjustment_id, author, reason)
    _print(adjusted, -1, "reverted", execute, as_json)


@click.command("adjustments")
@client_option
@day_range(required=False)
@click.option("--all", "reverted", is_flag=True, help="Reverted ones, too.")
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
        print_lines(format_adjustment(adjustment))
    click.echo(total_message(found))


@click.command("import-adjustments")
@click.argument("file", type=file_type)
@author_option
@execute_option
@json_option
def import_adjustments_command(file: Path, author: str, execute: bool, as_json: bool) -> None:
    """Add the manual adjustments of a CSV file.

    All lines or none are added; a dry run unless --execute. FILE has the columns client, day, reason and any of
    campaign, link, utm_source, utm_medium, utm_campaign, visits, conversions. An empty field or __null__ is an
    absent dimension. A second import of a file adds nothing, also no adjustment that was reverted.
    """
    with open_database(load_settings()) as database:
        imported = import_adjustments(database, file, author, execute)
    if as_json:
        counts = {"read": imported.read, "in_force": imported.in_force, "reverted": imported.reverted}
        new = [{"line": line, **adjusted_as_json(adjusted, 1, execute)} for line, adjusted in imported.new.items()]
        print_json({"executed": execute, "added": len(new), **counts, "adjustments": new})
        return
    for line, adjusted in imported.new.items():
        if not execute or not adjusted.has_facts:
            click.echo(f"line {line}: {change_message(adjusted)}")
    click.echo(import_message(imported, execute))


def _print(adjusted: AdjustmentResult, sign: int, done: str, execute: bool, as_json: bool) -> None:
    if as_json:
        print_json({"executed": execute, **adjusted_as_json(adjusted, sign, execute)})
        return
    print_lines(format_adjusted(adjusted, sign))
    if execute:
        number = adjusted.adjustment.adjustment_id
        click.echo(f"{done} adjustment {number}; `eventflow-stats adjustments --all` lists it")
    else:
        click.echo("nothing was written; add --execute to write it")
