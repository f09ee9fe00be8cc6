"""Times contenders side by side: interleaved rounds in one run, medians, and ratios to one of them.

Seconds of one machine mean little on another, and the load changes while a benchmark runs. So contenders take turns
within a round, the load meets all of them, and their ratio is reported.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

CONSOLE = Console(highlight=False, width=None if sys.stdout.isatty() else 110)


@dataclass(frozen=True)
class Contender:
    """One thing to time. ``prepare`` runs before it in every round and is not timed.

    ``run`` returns how many facts it read, or None where that has no meaning.
    """

    name: str
    run: Callable[[], int | None]
    prepare: Callable[[], object] | None = None


@dataclass(frozen=True)
class Timing:
    """The seconds of one contender, one number for each round, and the facts of its last round."""

    name: str
    seconds: tuple[float, ...]
    facts: int | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def ratio_to(self, base: "Timing") -> float:
        """Return the median of the rounds' ratios, which a changing load disturbs least.

        Where the two did not take turns, return the ratio of their medians.
        """
        if len(self.seconds) != len(base.seconds):
            return self.median / base.median
        return statistics.median(a / b for a, b in zip(self.seconds, base.seconds, strict=True))


def take_turns(contenders: Sequence[Contender], rounds: int) -> dict[str, Timing]:
    """Run every contender once a round, in the order given; returns the timings by name."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    facts: dict[str, int | None] = {}
    for number in range(rounds):
        with CONSOLE.status(f"round {number + 1} of {rounds}"):
            for contender in contenders:
                if contender.prepare is not None:
                    contender.prepare()
                started = time.perf_counter()
                facts[contender.name] = contender.run()
                seconds[contender.name].append(time.perf_counter() - started)
    return {name: Timing(name, tuple(taken), facts[name]) for name, taken in seconds.items()}


def plain_table(title: str, *headings: str) -> Table:
    """Return an empty table without lines: a name in the first column, numbers below the headings."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def print_timings(title: str, timings: Sequence[Timing], base: Timing) -> None:
    """Print a table: median, fastest and slowest round, ratio to ``base``, facts and facts per second."""
    table = plain_table(title, "median s", "fastest", "slowest", "ratio", "facts", "facts/s")
    for timing in timings:
        cells = [f"{value:.2f}" for value in (timing.median, min(timing.seconds), max(timing.seconds))]
        cells.append(f"{timing.ratio_to(base):.2f}")
        if timing.facts is not None:
            cells += [f"{timing.facts:,}", f"{timing.facts / timing.median:,.0f}"]
        table.add_row(Text(timing.name), *cells)
    CONSOLE.print(table)
    CONSOLE.print(f"ratio 1.00 = {base.name}; the median of the rounds' ratios\n")


def own_peak_mebibytes() -> float:
    """Return the peak resident memory of this Python process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def process_peak_mebibytes(pid: int) -> float | None:
    """Return the peak resident memory of process ``pid``, including the shared pages that it used.

    None where the system does not report it (no Linux, or a server on another machine).
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return None if peak is None else int(peak.split()[1]) / 1024
