"""Compares a tick with dbt: the same database, new facts and views. Both must come to the same rows.

Run with ``python -m eventflow_stats_tests.benchmarks.against_dbt``. It installs dbt-postgres from the package
index into a temporary folder; ``--environment`` names a folder that remains.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import click
from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.benchmarks.dbt_project import Dbt, DbtRun, Strategy, table_of
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.new_facts import add_visits, clients_of, set_detection_to_end_of
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, plain_table
from eventflow_stats_tests.benchmarks.tick_parts import Tick, run_tick

TODAY = date(2026, 3, 2)
DAYS = [TODAY - timedelta(days=1), TODAY]
STRATEGIES: tuple[Strategy, ...] = ("delete+insert", "microbatch")
FEW = 5
# Counts rows that only one side has, or has more often, in both directions.
_DIFFERENT = """
SELECT count(*) FROM (
    (SELECT {ours} FROM public.marketing_stats_daily WHERE bucket_date = ANY (:days)
        EXCEPT ALL SELECT {theirs} FROM dbt.{table} WHERE bucket_date = ANY (:days))
    UNION ALL
    (SELECT {theirs} FROM dbt.{table} WHERE bucket_date = ANY (:days)
        EXCEPT ALL SELECT {ours} FROM public.marketing_stats_daily WHERE bucket_date = ANY (:days))
) AS different
"""
_ROW = "client_id, bucket_date, campaign_id, {link}, utm_source, utm_medium, utm_campaign, visits, conversions"


def require_equal(database: Database, strategy: Strategy) -> None:
    """Compare dbt's table with the rollup, row by row.

    Raises:
        EventflowError: dbt's table and the rollup differ.
    """
    statement = _DIFFERENT.format(
        ours=_ROW.format(link="marketing_campaign_link_id"),
        theirs=_ROW.format(link="link_id"),
        table=table_of(strategy),
    )
    with database.login_session() as connection:
        different = connection.scalar(text(statement), {"days": DAYS})
    if different:
        raise EventflowError(f"{different} rows of dbt ({strategy}) and of the rollup differ")


class Round:
    """What one round took: the same new facts computed by the tick, by a rebuild of both days and by dbt."""

    def __init__(self, tick: Tick, whole: float, runs: dict[Strategy, DbtRun]) -> None:
        self.tick = tick
        self.whole = whole
        self.runs = runs


def measure(database: Database, dbt: Dbt, new_facts: int, clients: Sequence[object], rounds: int) -> list[Round]:
    """Measure ``rounds`` rounds with new facts of these clients, and compare the results of each round row by row."""
    found = []
    for number in range(rounds):
        with CONSOLE.status(f"{new_facts:,} new facts of {len(clients)} clients, round {number + 1} of {rounds}"):
            add_visits(database, TODAY, new_facts, list(clients))  # type: ignore[arg-type]
            set_detection_to_end_of(database, TODAY)
            tick = run_tick(database, DAYS, new_facts)
            runs = {strategy: dbt.run(strategy, DAYS) for strategy in STRATEGIES}
            for strategy in STRATEGIES:
                require_equal(database, strategy)
            started = time.perf_counter()
            list(rebuild(database, DAYS))
            found.append(Round(tick, time.perf_counter() - started, runs))
    return found


def report(title: str, rounds: Sequence[Round]) -> None:
    """Print medians in seconds, and medians of the rounds' ratios to our tick and to our rebuild of both days."""
    table = plain_table(title, "seconds", "times our tick", "times our rebuild")

    def add(name: str, seconds: Sequence[float]) -> None:
        ticks = statistics.median(taken / one.tick.seconds for taken, one in zip(seconds, rounds, strict=True))
        wholes = statistics.median(taken / one.whole for taken, one in zip(seconds, rounds, strict=True))
        table.add_row(name, f"{statistics.median(seconds):.2f}", f"{ticks:.2f}", f"{wholes:.2f}")

    add("tick: detect, refresh, verify", [one.tick.seconds for one in rounds])
    add("  without its verification", [one.tick.detect + one.tick.refresh for one in rounds])
    add("rebuild of both days", [one.whole for one in rounds])
    for strategy in STRATEGIES:
        add(f"dbt {strategy}, process", [one.runs[strategy].process for one in rounds])
        add(f"dbt {strategy}, as dbt reports", [one.runs[strategy].model for one in rounds])
    CONSOLE.print(table, "")


@click.command()
@click.option("--facts", default=1_000_000, show_default=True, help="Visits a day, on each of two days.")
@click.option("--clients", default=200, show_default=True, help="Clients that share them, unevenly.")
@click.option("--new", "new_facts", default=1_000, show_default=True, help="New facts a tick.")
@click.option("--rounds", default=3, show_default=True, help="Rounds; the medians are reported.")
@click.option(
    "--environment", type=click.Path(path_type=Path), help="Folder for dbt's virtual environment, which remains."
)
def main(facts: int, clients: int, new_facts: int, rounds: int, environment: Path | None) -> None:
    """Compute new facts by a tick and by dbt, side by side; dbt rebuilds yesterday and today, as its users do.

    The two results are compared row by row each round. Needs a package index for dbt, and no database.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="eventflow-dbt-") as folder, fresh_database() as database:
        with CONSOLE.status("installing dbt, making facts, first builds"):
            dbt = Dbt(environment or Path(folder) / "environment", Path(folder) / "project", database)
            fill_days(database, DAYS, Shape(facts, max(facts // 10, clients), clients))
            list(rebuild(database, DAYS))
            list(verify(database, DAYS))
            for strategy in STRATEGIES:
                dbt.run(strategy, DAYS)
                require_equal(database, strategy)
        everybody = clients_of(database)
        few = [everybody[clients * part // (FEW * 2)] for part in range(1, FEW * 2, 2)]
        for name, some in ((f"{FEW} clients", few), ("all clients", everybody)):
            rows = measure(database, dbt, new_facts, some, rounds)
            report(f"{new_facts:,} new facts of {name} on days of {facts:,} visits, medians of {rounds} rounds", rows)
    CONSOLE.print(f"All results were equal, row by row. Whole benchmark: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
