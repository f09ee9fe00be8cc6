"""backfill, seal, accept-deletion: rebuilds of days, and decisions of an operator about days."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta

import click

from eventflow_stats.cli.backfill import BackfillRun, backfill
from eventflow_stats.cli.options import (
    Day,
    check_days,
    client_option,
    day_range,
    json_option,
    operator,
    print_json,
    progress_bar,
    to_people,
)
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.rollup.held_and_sealed_days import held_days
from eventflow_stats.engine.rollup.rebuild import NO_APPROVAL, OperatorApproval
from eventflow_stats.engine.status.day_summary import days_to_backfill
from eventflow_stats.engine.verification.sealing import days_to_seal, preview_unsealing, seal
from eventflow_stats.errors import FAILED, InvalidInput
from eventflow_stats.formatting import format_count, format_list
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings


@click.command("backfill")
@day_range(required=True)
@client_option
@click.option(
    "--missing",
    is_flag=True,
    help="Only days that were not computed, or not verified since, such as after an interruption.",
)
@click.option("--unseal", is_flag=True, help="Rebuild sealed days, too; first shows what they would lose.")
@click.option("--execute", is_flag=True, help="With --unseal: also if sealed days lose numbers.")
@json_option
def backfill_command(
    first_day: date,
    last_day: date,
    clients: tuple[str, ...],
    missing: bool,
    unseal: bool,
    execute: bool,
    as_json: bool,
) -> int:
    """Rebuild days from the facts, and verify them.

    The rebuild runs in Dagster, each day in one transaction; an interrupted one keeps the finished days.
    Sealed days, whose facts may be gone, are not changed; with --unseal they are rebuilt and unsealed. A day of which
    too many facts disappeared is held: see `eventflow-stats accept-deletion --help`.
    """
    settings = load_settings()
    check_days(first_day, last_day, settings)
    if execute and not unseal:
        raise InvalidInput("--execute allows --unseal to lose numbers; add --unseal, or leave --execute out")
    if unseal and clients:
        raise InvalidInput("a day is unsealed for all clients; leave --client out")
    with open_database(settings) as database:
        if unseal and not _may_unseal(database, first_day, last_day, execute, as_json):
            return 0
        approval = OperatorApproval(operator(), unseal=True) if unseal else NO_APPROVAL
        ranges = [(first_day, last_day)]
        if missing:
            ranges = _ranges(days_to_backfill(database, first_day, last_day, find_clients(database, clients)))
        runs = [
            run
            for first, last in ranges
            for run in backfill(database, first, last, clients, "requested on the command line", approval)
        ]
    if not runs and not as_json:
        click.echo(f"{first_day} to {last_day}: every day is computed and verified already, nothing to do")
    return _print_runs(runs, as_json)


@click.command("accept-deletion")
@click.option("--day", "days", type=Day(), multiple=True, required=True, help="A held day; may be given several times.")
@click.option("--execute", is_flag=True, help="Rebuild it. Without: show what disappeared.")
@json_option
def accept_deletion_command(days: tuple[date, ...], execute: bool, as_json: bool) -> int:
    """Accept that facts of a held day disappeared.

    The day is rebuilt from the facts that are left. A day of which too many facts disappeared at once is held: its
    numbers do not change. The hold ends by itself when the facts are restored, or with this command. It covers only
    what has disappeared until now. The ledger records who accepted it.
    """
    settings = load_settings()
    with open_database(settings) as database:
        held = {hold.day: hold for hold in held_days(database)}
        for day in days:
            if day not in held:
                named = format_list([str(day) for day in held], 5) or "none"
                raise InvalidInput(f"{day} is not held, so there is nothing to accept; held days: {named}")
        if not execute:
            if as_json:
                print_json({"executed": False, "held": [asdict(held[day]) for day in days]})
            else:
                for day in days:
                    click.echo(f"{day}: {held[day]}")
                click.echo("nothing was changed; add --execute to rebuild from the facts that are left")
            return 0
        approval = OperatorApproval(operator(), accept_deletion=True)
        why = "deletion accepted on the command line"
        runs = [run for first, last in _ranges(days) for run in backfill(database, first, last, (), why, approval)]
    return _print_runs(runs, as_json)


@click.command("seal")
@click.option("--before", type=Day(), required=True, help="The first day that is not sealed.")
@json_option
def seal_command(before: date, as_json: bool) -> int:
    """Seal days, so that their facts may be purged.

    The numbers of a sealed day stay, whatever happens to its facts. Each day is verified once more, and only days
    that equal their facts are sealed. A sealed day is never recomputed. Verification compares its rows with a
    checksum instead of with facts. `eventflow-stats backfill --unseal` unseals.
    """
    with open_database(load_settings()) as database, progress_bar() as bar:
        days = days_to_seal(database, before)
        task = bar.add_task("Sealing days", total=len(days))
        checked = []
        for day in seal(database, days, operator()):
            checked.append(day)
            bar.advance(task)
    left = [day for day in checked if day.seal is None]
    if as_json:
        results = [{"day": day.day, "result": day.verified.result} for day in left]
        print_json({"ok": not left, "sealed": [day.day for day in checked if day.seal], "left": results})
        return FAILED if left else 0
    for day in left:
        why = {"wrong": "it is wrong", "held": f"it is held, {day.verified.hold}"}.get(
            day.verified.result,
            "facts changed since it was computed" if day.verified.computed else "it was never computed",
        )
        click.echo(f"{day.day}: not sealed, {why}")
    click.echo(
        f"{format_count(len(checked) - len(left), 'day')} sealed before {before}"
        + ("" if days else "; there was none to seal")
    )
    return FAILED if left else 0


def _may_unseal(database: Database, first: date, last: date, execute: bool, as_json: bool) -> bool:
    """Whether sealed days of the range may be rebuilt: no day loses numbers, or the caller accepts the loss, which is
    shown."""
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    losses = [loss for loss in preview_unsealing(database, days) if loss.loses_numbers]
    if losses and as_json and not execute:
        would_lose = [{"day": loss.seal.day, **asdict(loss)} for loss in losses]
        print_json({"ok": True, "executed": False, "would_lose": would_lose})
    elif losses:
        for loss in losses:
            to_people.print(f"{loss}: the difference {'is' if execute else 'would be'} lost")
        if not execute:
            click.echo("nothing was changed; add --execute to unseal these days and lose the difference")
    return execute or not losses


def _print_runs(runs: Sequence[BackfillRun], as_json: bool) -> int:
    ok = all(run.success and run.verified for run in runs)
    if as_json:
        print_json({"ok": ok, "runs": [asdict(run) for run in runs]})
        return 0 if ok else FAILED
    for run in runs:
        outcome = run.check if run.success else f"failed: {run.error}"
        click.echo(f"{run.first_day} to {run.last_day}: {outcome} (run {run.run_id})")
    return 0 if ok else FAILED


def _ranges(days: Sequence[date]) -> list[tuple[date, date]]:
    """The ranges of consecutive days, as (first, last)."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and found[-1][1] + timedelta(days=1) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
