"""Prints the results of two hours of traffic: lags, ticks, runs, the planted error, and what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from rich.table import Table

from eventflow_stats.engine.verification.verify import VerifiedDay
from eventflow_stats_tests.benchmarks.dagster_activity import Runs, Ticks
from eventflow_stats_tests.benchmarks.lag import Probe, lag_with_longer_interval, percentile
from eventflow_stats_tests.benchmarks.recount import Difference
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE
from eventflow_stats_tests.benchmarks.traffic import FOUND_BY_TICK, LATE, Traffic


@dataclass
class Planted:
    """A row of the rollup that the benchmark falsified: when, of which client and day, and its true visits.

    ``found`` and ``repaired`` are seconds since the epoch, None before that.
    """

    at: float
    client_id: UUID
    day: date
    visits: int
    found: float | None = None
    repaired: float | None = None
    repaired_by: str | None = None


@dataclass
class Observations:
    """Everything that happened in ``minutes`` of traffic, with ticks ``factor`` times as frequent as by default."""

    minutes: float
    factor: float
    drift_age: float
    traffic: Traffic
    planted: Planted
    ticks: Mapping[str, Ticks]
    runs: Sequence[Runs]
    verifications: Sequence[VerifiedDay]


def print_observations(seen: Observations, groups: int, wrong: Sequence[Difference], discrepancies: int) -> list[str]:
    """Print everything; returns what is wrong, one line each.

    ``groups`` were counted independently, and ``wrong`` are those that differ. ``discrepancies`` are in the ledger, the
    planted one included.
    """
    traffic = seen.traffic
    CONSOLE.print(
        f"\n{seen.minutes:g} minutes of traffic at {seen.factor:g} times the default pace of ticks and sensors, as "
        f"{seen.minutes * seen.factor / 60:.1f} hours have: {traffic.facts:,} facts of {len(traffic.clients)} clients, "
        f"{len(traffic.probes):,} of them probes. The rollup was read {traffic.readings:,} times, "
        f"{traffic.widest_gap:.1f} s apart at the most.\n"
    )
    _print_lags(seen)
    _print_ticks(seen.ticks)
    _print_runs(seen.runs)
    _print_planted(seen.planted, seen.drift_age)
    problems = find_problems(seen, wrong, discrepancies)
    verified = sum(day.verified_client_days for day in seen.verifications)
    CONSOLE.print(
        f"At the end: {verified:,} client-days of {len(seen.verifications)} days verified; "
        f"{groups:,} groups counted again in Python, {len(wrong):,} differ. Discrepancies besides the planted row: "
        f"{discrepancies - (seen.planted.found is not None)}."
    )
    for problem in problems:
        CONSOLE.print(f"WRONG: {problem}", style="bold red")
    return problems


def find_problems(seen: Observations, wrong: Sequence[Difference], discrepancies: int) -> list[str]:
    """Return facts that never arrived, days not verified, wrong numbers, and discrepancies that were not planted."""
    problems = [
        f"{probe.kind}: {probe.mark} never {'disappeared from' if probe.gone else 'arrived in'} the rollup"
        for probe in seen.traffic.missing()
    ]
    problems += [
        f"{day.day} was found {day.result} at the end" for day in seen.verifications if day.result != "verified"
    ]
    problems += [f"{group}: the rollup says {stored}, the facts {true}" for group, stored, true in wrong]
    if seen.planted.repaired is None:
        problems.append(f"the row falsified on {seen.planted.day} was not repaired")
    unplanted = discrepancies - (seen.planted.found is not None)
    if unplanted:
        problems.append(f"{unplanted} groups were found wrong that the benchmark did not falsify")
    return problems


def _print_lags(seen: Observations) -> None:
    figures = ("median", "99 %", "max")
    table = _table("seconds from commit to the rollup", "probes", *figures, "by default:", *figures)
    by_kind: dict[str, list[Probe]] = {}
    for probe in seen.traffic.probes:
        by_kind.setdefault(probe.kind, []).append(probe)
    recent = [probe for kind in FOUND_BY_TICK for probe in by_kind.get(kind, [])]
    for kind, probes in {**by_kind, "all of yesterday and today": recent}.items():
        lags = [probe.lag for probe in probes if probe.lag is not None]
        cells = [f"{len(probes):,}", *_figures(lags)]
        ticks = _finding(seen.ticks, probes[0].kind) if probes else None
        if ticks is not None:
            by_default = [lag_with_longer_interval(probe, ticks.times, seen.factor) for probe in probes]
            cells += ["", *_figures([lag for lag in by_default if lag is not None])]
        table.add_row(kind, *cells)
    CONSOLE.print(table)
    CONSOLE.print(
        f"by default (5 minutes, sensors 60 s): the same facts, the wait of each for the next tick times "
        f"{seen.factor:g}, the work as measured.\n"
    )


def _finding(ticks: Mapping[str, Ticks], kind: str) -> Ticks | None:
    """Return the ticks that find facts of that kind; None where a verification finds them."""
    if kind in FOUND_BY_TICK:
        return ticks.get("every_five_minutes")
    return ticks.get("late_facts") if kind == LATE else None


def _figures(lags: Sequence[float]) -> list[str]:
    if not lags:
        return ["", "", ""]
    return [f"{value:.1f}" for value in (percentile(lags, 0.5), percentile(lags, 0.99), max(lags))]


def _print_ticks(ticks: Mapping[str, Ticks]) -> None:
    table = _table("ticks", "all", "asked for a run", "skipped", "a run under way", "failed")
    for name, of_one in sorted(ticks.items()):
        counts = (len(of_one.times), of_one.asked, of_one.skipped, of_one.under_way, of_one.failed)
        table.add_row(name, *(f"{count:,}" for count in counts))
    CONSOLE.print(table)
    CONSOLE.print()


def _print_runs(runs: Sequence[Runs]) -> None:
    table = _table("runs", "started", "succeeded", "average s", "longest s")
    for of_job in runs:
        started, succeeded = sum(of_job.statuses.values()), of_job.statuses["SUCCESS"]
        seconds = of_job.seconds or (0.0,)
        average = sum(seconds) / len(seconds)
        table.add_row(of_job.job, f"{started:,}", f"{succeeded:,}", f"{average:.1f}", f"{max(seconds):.1f}")
    CONSOLE.print(table)
    CONSOLE.print()


def _print_planted(planted: Planted, drift_age: float) -> None:
    message = f"A row of {planted.day} was falsified in the middle"
    if planted.found is not None:
        message += f"; a verification found it after {planted.found - planted.at:.0f} s"
    if planted.repaired is not None:
        message += f", it was right again after {planted.repaired - planted.at:.0f} s ({planted.repaired_by})"
    CONSOLE.print(f"{message}. EVENTFLOW_MAX_DRIFT_AGE was {drift_age:g} hours, 24 by default.")


def _table(title: str, *headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(title, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
