"""A backfill of 1,000 days: by the engine alone, as Dagster's range runs, and as one run a day.

Run with ``python -m eventflow_stats_tests.benchmarks.backfill``. One run a day, a process each as Dagster's launcher
starts them, is measured on a few days and extrapolated.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import click

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.benchmarks.dagster_home import dagster_beside
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.new_facts import forget_rollup
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, plain_table

FIRST = date(2023, 6, 1)


def by_engine(database: Database, days: Sequence[date]) -> float:
    """Seconds to rebuild and verify the days in this process, without Dagster."""
    started = time.perf_counter()
    facts = sum(day.totals.facts for day in rebuild(database, days))
    verified = sum(day.totals.facts for day in verify(database, days) if day.result == "verified")
    if verified != facts:
        raise EventflowError("a day was not verified")
    return time.perf_counter() - started


def by_dagster(first: date, last: date, expected_runs: int) -> float:
    """Seconds of the process that rebuilds and verifies the days as Dagster runs, the largest it makes."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "eventflow_stats.orchestration.run_backfill",
        str(first),
        str(last),
    ]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    runs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"first_day"')]
    if done.returncode or len(runs) != expected_runs or not all(run["verified"] for run in runs):
        raise EventflowError(f"the backfill failed: {(done.stdout + done.stderr)[-2000:]}")
    return seconds


@click.command()
@click.option("--days", default=1_000, show_default=True, help="Days to fill.")
@click.option("--facts", default=1_000, show_default=True, help="Visits a day.")
@click.option("--clients", default=20, show_default=True, help="Clients that share them, unevenly.")
@click.option("--single", default=5, show_default=True, help="Days measured as one run each.")
@click.option(
    "--per-run", default=250, show_default=True, help="Days of a range run (EVENTFLOW_MAX_PARTITIONS_PER_RUN)."
)
def main(days: int, facts: int, clients: int, single: int, per_run: int) -> None:
    """Fill days of an empty rollup three ways, side by side; every way verifies every day. Needs no database."""
    started = time.perf_counter()
    every = [FIRST + timedelta(days=count) for count in range(days)]
    with tempfile.TemporaryDirectory(prefix="eventflow-dagster-") as folder, fresh_database() as database:
        with CONSOLE.status(f"making {days:,} days of {facts:,} visits"):
            fill_days(database, every, Shape(facts, max(facts // 10, clients), clients))
        with CONSOLE.status("the engine alone"):
            engine = by_engine(database, every)
        forget_rollup(database)
        with (
            dagster_beside(database, Path(folder), EVENTFLOW_MAX_PARTITIONS_PER_RUN=str(per_run)),
            CONSOLE.status("through Dagster"),
        ):
            # Dagster lays its tables at the first run: not a part of any backfill.
            by_dagster(every[0], every[0], 1)
            forget_rollup(database)
            ranges = by_dagster(every[0], every[-1], -(-days // per_run))
            forget_rollup(database)
            singles = [by_dagster(day, day, 1) for day in every[:single]]
        one_by_one = sum(singles) / single * days
    table = plain_table(f"{days:,} days of {facts:,} visits, rebuilt and verified", "seconds", "ratio")
    for name, seconds in (
        ("engine alone", engine),
        (f"Dagster, {-(-days // per_run)} range runs", ranges),
        (f"Dagster, {days:,} runs of one day, from {single}", one_by_one),
    ):
        table.add_row(name, f"{seconds:.0f}", f"{seconds / ranges:.2f}")
    CONSOLE.print(table)
    CONSOLE.print(f"ratio 1.00 = the range runs; whole benchmark: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
