"""demo: the main job once, from nothing to a verified table of totals."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from eventflow_stats.cli.backfill import backfill
from eventflow_stats.cli.database_commands import import_message, import_with_progress
from eventflow_stats.cli.options import file_type, json_option, print_json, progress_bar, to_people
from eventflow_stats.cli.verify import format_outcome, outcome_as_json, verify_with_progress
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.rollup.totals import totals
from eventflow_stats.engine.status.day_summary import fact_days
from eventflow_stats.engine.verification.verify import TRUSTED_RESULTS
from eventflow_stats.errors import FAILED, EventflowError, InvalidInput
from eventflow_stats.local.product_tables import create_product_tables, require_local_facts
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings

if TYPE_CHECKING:
    from pandas import DataFrame

SAMPLE = {"visits": 50_000, "clients": 8, "days": 14, "seed": 1}
ROWS_SHOWN = 40


@click.command("demo")
@click.option("--visits", type=file_type, help="CSV of visits to use instead of made-up facts.")
@click.option("--conversions", type=file_type, help="CSV of conversions to use instead of made-up facts.")
@click.option("--client", default="Demo", show_default=True, help="Name of the client of imported facts.")
@json_option
def demo_command(visits: Path | None, conversions: Path | None, client: str, as_json: bool) -> int:
    """Run the main job once: facts in, days rebuilt through Dagster, every number verified, totals shown.

    Without files it makes up facts of eight clients over two weeks. Running it again changes nothing.
    On a server of your own the database must be empty, or one that an earlier demo laid.
    """
    settings = load_settings()
    with open_database(settings) as database:
        create_product_tables(database)
        require_local_facts(database)
        migrate(database)
        clients = _load_facts(database, client, visits, conversions)
        found = find_clients(database, clients)
        days = fact_days(database, found)
        if days is None:
            raise EventflowError("there are no facts to rebuild")
        runs = backfill(database, *days, [], "demo")
        failed = [run for run in runs if not run.success]
        if failed:
            raise EventflowError(f"the rebuild failed: {failed[0].error}")
        outcome = verify_with_progress(database, *days, [])
        frame = totals(database, *days, found)
    ok = all(day.result in TRUSTED_RESULTS for day in outcome)
    if as_json:
        print_json({
            **outcome_as_json(outcome),
            "first_day": days[0],
            "last_day": days[1],
            "runs": [run.run_id for run in runs],
            "totals": frame.to_dict("records"),
        })  # fmt: skip
        return 0 if ok else FAILED
    _show(frame)
    for line in format_outcome(outcome):
        click.echo(line)
    click.echo("Now `eventflow-stats up` shows it in the Dagster UI.")
    return 0 if ok else FAILED


def _load_facts(database: Database, client: str, visits: Path | None, conversions: Path | None) -> list[str]:
    if visits is not None or conversions is not None:
        imported = import_with_progress(database, client, visits, conversions)
        if not imported.visits_read + imported.conversions_read:
            raise InvalidInput("the files hold no facts; give a file with at least one row")
        to_people.print(import_message(imported))
        return [client]
    slugs = [f"sample-{SAMPLE['seed']}-{number}" for number in range(1, SAMPLE["clients"] + 1)]
    try:
        find_clients(database, slugs)
    except InvalidInput:
        with progress_bar() as bar:
            task = bar.add_task("Writing facts", total=SAMPLE["visits"])
            size = SampleSize(until=datetime.now(UTC).date(), **SAMPLE)
            make_sample(database, size, lambda rows: bar.advance(task, rows))
    return slugs


def _show(frame: "DataFrame") -> None:
    console = Console(highlight=False)
    for part, title in (("day", "By day"), ("source", "By source"), ("link", "By link")):
        rows = frame[frame["part"] == part]
        table = Table(title=title, title_justify="left")
        table.add_column(part)
        for name in ("visits", "conversions", "cvr %"):
            table.add_column(name, justify="right")
        for row in rows.head(ROWS_SHOWN).itertuples():
            table.add_row(str(row.label), f"{row.visits:,}", f"{row.conversions:,}", f"{row.cvr:.2f}")
        if len(rows) > ROWS_SHOWN:
            table.caption = f"and {len(rows) - ROWS_SHOWN:,} more"
        console.print(table)
    whole = frame[frame["part"] == "all"].iloc[0]
    console.print(f"In all: {whole.visits:,} visits, {whole.conversions:,} conversions, cvr {whole.cvr:.2f} %")
