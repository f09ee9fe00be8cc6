"""backfill and verify: days of the rollup, recomputed or compared with the facts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta

import click

from eventflow_stats.cli.backfill import backfill
from eventflow_stats.cli.options import (
    check_days,
    client_option,
    day_range,
    json_option,
    print_json,
    progress_bar,
)
from eventflow_stats.engine.clients import find_clients
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.ledger import unfinished_days
from eventflow_stats.engine.prove import DifferingGroup, ProvedDay, prove
from eventflow_stats.engine.upkeep import today
from eventflow_stats.errors import FAILED
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings

NAMED_ON_SCREEN = 20


@click.command("backfill")
@day_range(required=True)
@client_option
@click.option(
    "--missing", is_flag=True, help="Only days not computed, or not proved since: go on after an interruption."
)
@json_option
def backfill_command(first_day: date, last_day: date, clients: tuple[str, ...], missing: bool, as_json: bool) -> int:
    """Rebuild days from the facts, as Dagster runs, each day in one transaction; then prove them."""
    settings = load_settings()
    check_days(first_day, last_day, settings)
    with open_database(settings) as database:
        ranges = [(first_day, last_day)]
        if missing:
            ranges = _stretches(unfinished_days(database, first_day, last_day, find_clients(database, clients)))
        runs = [
            run
            for first, last in ranges
            for run in backfill(database, first, last, clients, "asked for on the command line")
        ]
    ok = all(run.success and run.reconciled for run in runs)
    if as_json:
        print_json({"ok": ok, "runs": [asdict(run) for run in runs]})
        return 0 if ok else FAILED
    for run in runs:
        outcome = run.check if run.success else f"failed: {run.error}"
        click.echo(f"{run.first_day} to {run.last_day}: {outcome} (run {run.run_id})")
    if not runs:
        click.echo(f"{first_day} to {last_day}: every day was computed and proved already, nothing to do")
    return 0 if ok else FAILED


def _stretches(days: Sequence[date]) -> list[tuple[date, date]]:
    """Runs of consecutive days, as (first, last)."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and found[-1][1] + timedelta(days=1) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


@click.command("verify")
@day_range(required=False)
@client_option
@json_option
def verify_command(first_day: date | None, last_day: date | None, clients: tuple[str, ...], as_json: bool) -> int:
    """Compare every group of the days with the facts, zero tolerance. Default: yesterday and today.

    Changes no number; the outcome is kept in the ledger. Exit code 1 when a group is wrong, or when
    facts moved since a day was computed.
    """
    settings = load_settings()
    last = last_day or (first_day or today(settings))
    first = first_day or (max(last - timedelta(days=1), settings.start_date) if last_day is None else last)
    check_days(first, last, settings)
    with open_database(settings) as database:
        outcome = verify(database, first, last, clients)
    if as_json:
        print_json(outcome_as_json(outcome))
    else:
        for line in told_outcome(outcome):
            click.echo(line)
    return 0 if all(day.verdict == "proved" for day in outcome) else FAILED


def verify(database: Database, first: date, last: date, clients: Sequence[str]) -> list[ProvedDay]:
    """Prove the days with a progress bar."""
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    found = find_clients(database, clients)
    with progress_bar() as bar:
        return list(bar.track(prove(database, days, found), total=len(days), description="Proving days"))


def outcome_as_json(outcome: Sequence[ProvedDay]) -> dict[str, object]:
    """The outcome for a program: totals, and each day with its differing groups."""
    return {
        "ok": all(day.verdict == "proved" for day in outcome),
        "days_proved": sum(day.verdict == "proved" for day in outcome),
        "groups_compared": sum(day.totals.groups for day in outcome),
        "facts_read": sum(day.totals.facts for day in outcome),
        "unresolved_facts": sum(day.totals.unresolved_facts for day in outcome),
        "wrong_groups": sum(day.wrong_groups for day in outcome),
        "days": [{"verdict": day.verdict, **asdict(day)} for day in outcome],
    }


def told_outcome(outcome: Sequence[ProvedDay]) -> list[str]:
    """The outcome for a person: a line for each day that is not proved, its groups, and a summary."""
    lines = []
    for day in outcome:
        if day.verdict == "wrong":
            lines.append(f"{day.day}: {day.wrong_groups:,} wrong")
        elif day.verdict == "stale":
            why = "facts moved since it was computed" if day.covered else "never computed for every client"
            lines.append(f"{day.day}: stale, {why}")
        lines += [f"  {_named(group)}" for group in day.differing[:NAMED_ON_SCREEN]]
        if len(day.differing) > NAMED_ON_SCREEN:
            lines.append(f"  and {len(day.differing) - NAMED_ON_SCREEN:,} more")
    proved = sum(day.verdict == "proved" for day in outcome)
    groups = sum(day.totals.groups for day in outcome)
    facts = sum(day.totals.facts for day in outcome)
    wrong = sum(day.wrong_groups for day in outcome)
    unresolved = sum(day.totals.unresolved_facts for day in outcome)
    lines.append(
        f"{proved} of {len(outcome)} days proved: {groups:,} groups against {facts:,} facts, {wrong:,} discrepancies"
    )
    if unresolved:
        lines.append(f"{unresolved:,} facts belong to no client and are in no group")
    if proved < len(outcome):
        lines.append(f"repair: eventflow-stats backfill --from {outcome[0].day} --to {outcome[-1].day}")
    return lines


def _named(group: DifferingGroup) -> str:
    key = (group.campaign_id, group.link_id, group.utm_source, group.utm_medium, group.utm_campaign)
    told = " / ".join("__null__" if value is None else str(value) for value in key)
    visits = f"visits {_value(group.stored_visits)}, should be {_value(group.true_visits)}"
    conversions = f"conversions {_value(group.stored_conversions)}, should be {_value(group.true_conversions)}"
    return f"{group.verdict}: {group.client_name or group.client_id}: {told}: {visits}; {conversions}"


def _value(number: int | None) -> str:
    return "no row" if number is None else f"{number:,}"
