"""Compares the assumptions and the second count of a day with the time to measure the day.

Run with ``python -m eventflow_stats_tests.benchmarks.assumptions_and_second_count``.
"""

import sys
import time
from datetime import date, timedelta

import click
from sqlalchemy import Connection, text

from eventflow_stats.engine.assumptions.assumptions import check_assumptions
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.measure import measure_day, prepare_working_tables
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.second_count import check_second_count
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, Contender, plain_table, take_turns

DAY = date(2023, 6, 1)
NEIGHBOURS = 3
"""The number of days before and after with as many facts. A count must not read them."""
MEASURE, SECOND_COUNT, REBUILD = "measuring the day", "second count", "rebuild, nothing changed"
ASSUMPTIONS = "all assumptions, once a transaction"
SECONDS = "seconds of measuring"


def measure(shape: Shape, rounds: int) -> dict[str, float]:
    """Return the ratio of each contender to measuring, on a day of that shape between others like it, and the median
    seconds of measuring."""
    days = [DAY + timedelta(days=count) for count in range(-NEIGHBOURS, NEIGHBOURS + 1)]
    with fresh_database() as database:
        with CONSOLE.status(f"making {len(days)} days of {shape.facts:,} visits"):
            fill_days(database, days, shape)
            list(rebuild(database, [DAY]))
        with database.session() as connection:
            prepare_working_tables(connection)
            # A rebuild and a verification write, which PostgreSQL does in one process.
            connection.execute(text("SET max_parallel_workers_per_gather = 0"))
            connection.commit()
            timings = take_turns(_contenders(database, connection), rounds)
            connection.rollback()
    return {name: timing.ratio_to(timings[MEASURE]) for name, timing in timings.items()} | {
        SECONDS: timings[MEASURE].median
    }


def _contenders(database: Database, connection: Connection) -> list[Contender]:
    def count() -> None:
        check_second_count(connection, DAY, None)

    def assume() -> None:
        check_assumptions(connection)

    return [
        Contender(MEASURE, lambda: measure_day(connection, DAY, None).facts, connection.rollback),
        # In the same transaction, because it reads the measured groups. The next round rolls it back.
        Contender(SECOND_COUNT, count),
        Contender(ASSUMPTIONS, assume),
        Contender(REBUILD, lambda: sum(day.totals.facts for day in rebuild(database, [DAY])), connection.rollback),
    ]


@click.command()
@click.option("--facts", default=1_000_000, show_default=True, help="Visits a day.")
@click.option("--groups", default=100_000, show_default=True, help="Groups a day, about.")
@click.option("--clients", default=200, show_default=True, help="Clients that share them, unevenly.")
@click.option("--rounds", default=5, show_default=True, help="Rounds; the medians are reported.")
def main(facts: int, groups: int, clients: int, rounds: int) -> None:
    """Time the assumptions and the second count of a day beside measuring and rebuilding it. Needs no database."""
    started = time.perf_counter()
    found = measure(Shape(facts, groups, clients), rounds)
    seconds = found.pop(SECONDS)
    table = plain_table(f"a day of {facts:,} visits, medians of {rounds} rounds", "of measuring")
    for name, ratio in found.items():
        table.add_row(name, f"{ratio:.2%}")
    CONSOLE.print(table)
    CONSOLE.print(f"{MEASURE}: {seconds:.2f} s; {ASSUMPTIONS}: {1000 * seconds * found[ASSUMPTIONS]:.1f} ms")
    CONSOLE.print(f"whole benchmark: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
