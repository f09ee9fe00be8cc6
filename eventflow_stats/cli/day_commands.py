"""backfill: days of the rollup, recomputed from the facts."""

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
)
from eventflow_stats.engine.clients import find_clients
from eventflow_stats.engine.ledger import unfinished_days
from eventflow_stats.errors import FAILED
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings


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
