"""Compares a sweep and a verification with the bare GROUP BY, on one large day and on many small ones.

Run with ``python -m eventflow_stats_tests.benchmarks.sweep_and_verification``.
"""

import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta

import click
from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, Contender, plain_table, take_turns

FIRST = date(2023, 6, 1)
FLOOR, SWEEP, VERIFICATION, REBUILD = "bare two-level GROUP BY", "sweep", "verification", "rebuild, nothing changed"
_KEY = "client_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign"
# Without the sum the planner would leave out the counting.
_GROUP_BY = text(
    f"SELECT count(*) AS groups, sum(visits) AS visits FROM (SELECT {_KEY}, count(session_key) AS visits "
    f"FROM (SELECT {_KEY}, session_key FROM eventflow_stats.visit_facts "
    "WHERE event_at >= CAST(:day AS timestamp) AT TIME ZONE 'UTC' "
    "AND event_at < CAST(CAST(:day AS date) + 1 AS timestamp) AT TIME ZONE 'UTC' "
    f"GROUP BY {_KEY}, session_key) AS sessions GROUP BY {_KEY}) AS groups"
)


def measure(days: Sequence[date], shape: Shape, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the seconds per million facts and the ratio to the GROUP BY of each contender, on days of that shape."""
    with fresh_database() as database:
        with CONSOLE.status(f"making {len(days):,} days of {shape.facts:,} visits"):
            fill_days(database, days, shape)
            facts = sum(day.totals.facts for day in rebuild(database, days))
        timings = take_turns(_contenders(database, days), rounds)
    return {
        name: (timing.median / facts * 1_000_000, timing.ratio_to(timings[FLOOR])) for name, timing in timings.items()
    }


def _contenders(database: Database, days: Sequence[date]) -> list[Contender]:
    def group_by() -> None:
        with database.session() as connection:
            # A rebuild and a verification write, which PostgreSQL does in one process.
            connection.execute(text("SET max_parallel_workers_per_gather = 0"))
            for day in days:
                connection.execute(_GROUP_BY, {"day": day})

    def sweep_all() -> None:
        if any(day.changed_client_days for day in sweep(database, days)):
            raise EventflowError("a sweep found changed facts where nothing had changed")

    def verify_all() -> None:
        if any(day.result != "verified" for day in verify(database, days)):
            raise EventflowError("a day was not verified")

    def rebuild_all() -> None:
        if any(day.written or day.deleted for day in rebuild(database, days)):
            raise EventflowError("a rebuild wrote rows where nothing had changed")

    return [
        Contender(FLOOR, group_by),
        Contender(SWEEP, sweep_all),
        Contender(VERIFICATION, verify_all),
        Contender(REBUILD, rebuild_all),
    ]


@click.command()
@click.option("--facts", default=1_000_000, show_default=True, help="Visits in all, on one day and on many.")
@click.option("--days", default=1_000, show_default=True, help="How many days the many are.")
@click.option("--clients", default=200, show_default=True, help="Clients that share them, unevenly.")
@click.option("--rounds", default=3, show_default=True, help="Rounds; the medians are reported.")
def main(facts: int, days: int, clients: int, rounds: int) -> None:
    """Time sweep, verification and rebuild side by side with the bare GROUP BY. Needs no database."""
    started = time.perf_counter()
    many = [FIRST + timedelta(days=count) for count in range(days)]
    a_day = max(facts // days, 1)
    spread = {
        f"1 day of {facts:,}": measure([FIRST], Shape(facts, max(facts // 10, clients), clients), rounds),
        f"{days:,} days of {a_day:,}": measure(many, Shape(a_day, max(a_day // 10, clients), clients), rounds),
    }
    for name, found in spread.items():
        table = plain_table(f"{name} visits, medians of {rounds} rounds", "s per million facts", "times the GROUP BY")
        for contender, (seconds, ratio) in found.items():
            table.add_row(contender, f"{seconds:.2f}", f"{ratio:.2f}")
        CONSOLE.print(table)
        CONSOLE.print(f"sweep: {found[SWEEP][0] / found[VERIFICATION][0]:.2f} of the verification\n")
    CONSOLE.print(f"whole benchmark: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
