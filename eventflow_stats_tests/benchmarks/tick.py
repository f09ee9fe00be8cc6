"""Measures a tick after N new facts, on days of different sizes, compared with a rebuild of the whole day.

Run with ``python -m eventflow_stats_tests.benchmarks.tick``. ``--size`` and ``--rounds`` make it shorter. As in
service, a tick reads again the facts of the detection's overlap: those of the last hour, a 24th of the day.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

import click

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.new_facts import (
    add_visits,
    clients_of,
    remove_added_visits,
    set_detection_to_end_of,
)
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, plain_table
from eventflow_stats_tests.benchmarks.tick_parts import Tick, run_tick

DAY = date(2026, 3, 2)
CLIENTS = 200
FEW = 5
NEW_FACTS = (0, 100, 1_000, 10_000)


@dataclass
class Case:
    """``new_facts`` new facts of these clients, and the ticks that were measured with them, one in each round."""

    name: str
    new_facts: int
    clients: Sequence[UUID]
    ticks: list[Tick] = field(default_factory=list)

    def median(self, part: str) -> float:
        return float(statistics.median(getattr(tick, part) for tick in self.ticks))

    @property
    def last(self) -> Tick:
        return self.ticks[-1]


@dataclass
class MeasuredDay:
    """All cases on a day of one size. ``whole`` are the seconds of its rebuild and verification, a pair each round."""

    facts: int
    cases: list[Case]
    whole: list[tuple[float, float]] = field(default_factory=list)

    @property
    def whole_seconds(self) -> float:
        """Return the seconds of rebuild and verification of the whole day together, the median of the rounds."""
        return float(statistics.median(map(sum, self.whole)))

    def against_whole(self, case: Case) -> float:
        """Return the tick as a share of rebuild and verification of the whole day in the same round, the median."""
        pairs = zip(case.ticks, self.whole, strict=True)
        return statistics.median(tick.seconds / sum(whole) for tick, whole in pairs)


def measure(database: Database, rounds: int) -> MeasuredDay:
    """Run every case and the whole day once in each round; then delete the new facts."""
    clients = clients_of(database)
    cases = [Case("nothing new", 0, clients)]
    # Clients of middle size.
    few = [clients[len(clients) * part // (FEW * 2)] for part in range(1, FEW * 2, 2)]
    for name, some in ((f"{FEW} clients", few), ("all clients", clients)):
        cases += [Case(f"{count:,} new, {name}", count, some) for count in NEW_FACTS if count]
    day = MeasuredDay(0, cases)
    for number in range(rounds):
        with CONSOLE.status(f"round {number + 1} of {rounds}"):
            list(verify(database, [DAY]))
            for case in cases:
                add_visits(database, DAY, case.new_facts, case.clients)
                set_detection_to_end_of(database, DAY)
                case.ticks.append(run_tick(database, [DAY], case.new_facts))
            started = time.perf_counter()
            list(rebuild(database, [DAY]))
            built = time.perf_counter()
            list(verify(database, [DAY]))
            day.whole.append((built - started, time.perf_counter() - built))
            remove_added_visits(database)
            (day.facts,) = (rebuilt.totals.facts for rebuilt in rebuild(database, [DAY]))
    return day


def report_day(day: MeasuredDay, rounds: int) -> None:
    """Print the seconds of a day's ticks, part by part, and their share of the whole day."""
    table = plain_table(
        f"day of {day.facts:,} facts, medians of {rounds} rounds, seconds",
        "detect", "refresh", "verification", "tick", "of whole day", "client_days", "facts read",
    )  # fmt: skip
    for case in day.cases:
        parts = [f"{case.median(part):.2f}" for part in ("detect", "refresh", "verify", "seconds")]
        share = f"{day.against_whole(case):.3f}"
        table.add_row(case.name, *parts, share, f"{case.last.client_days:,}", f"{case.last.facts:,}")
    whole = [statistics.median(seconds) for seconds in zip(*day.whole, strict=True)]
    table.add_row("whole day", "", *(f"{seconds:.2f}" for seconds in (*whole, day.whole_seconds)), "1.000", "", "")
    CONSOLE.print(table, "")


def report_flatness(days: Sequence[MeasuredDay]) -> None:
    """Print how ticks grow with the day. A flat one stays at 1.0; a rebuild of the whole day grows with the day."""
    first, sizes = days[0], [f"{day.facts:,}" for day in days]
    table = plain_table(f"how flat: times what it took on {sizes[0]} facts", *sizes)
    for place, case in enumerate(first.cases):
        grown = [day.cases[place].median("seconds") / case.median("seconds") for day in days]
        table.add_row(case.name, *(f"{ratio:.1f}" for ratio in grown))
    table.add_row("whole day", *(f"{day.whole_seconds / first.whole_seconds:.1f}" for day in days))
    CONSOLE.print(table)


@click.command()
@click.option(
    "--size", "sizes", multiple=True, default=(100_000, 1_000_000, 10_000_000), show_default=True, help="Visits a day."
)
@click.option("--rounds", default=3, show_default=True, help="Rounds; the medians are reported.")
@click.option("--clients", default=CLIENTS, show_default=True, help="Clients that share the day, unevenly.")
def main(sizes: Sequence[int], rounds: int, clients: int) -> None:
    """Time ticks on a day of each size, side by side with a rebuild and verification of the whole day.

    Needs no database; ten million visits need 20 GB of disk in the temporary folder for a while.
    """
    started = time.perf_counter()
    days = []
    for size in sizes:
        with fresh_database() as database:
            with CONSOLE.status(f"making {size:,} facts"):
                fill_days(database, [DAY], Shape(size, max(size // 10, clients), clients))
                list(rebuild(database, [DAY]))
            days.append(measure(database, rounds))
        report_day(days[-1], rounds)
    report_flatness(days)
    CONSOLE.print(f"whole benchmark: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
