"""Every benchmark runs end to end at a tiny size; the one beside dbt needs a package index and is left to a person."""

import subprocess
import sys

import pytest

from eventflow_stats_tests.benchmarks.side_by_side import Timing

TINY = {
    "tick": ["--size", "300", "--size", "600", "--rounds", "1", "--clients", "10"],
    "sweep_and_proof": ["--facts", "200", "--days", "2", "--clients", "10", "--rounds", "1"],
    "idle_tick": ["--facts", "300", "--clients", "10", "--ticks", "1", "--runs", "1"],
    "backfill": ["--days", "4", "--facts", "20", "--clients", "2", "--single", "1", "--per-run", "2"],
}
TOLD = {
    "tick": "how flat",
    "sweep_and_proof": "times the GROUP BY",
    "idle_tick": "idle for a day",
    "backfill": "2 range runs",
}


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_runs_from_its_one_command_and_prints_its_ratios(name: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", f"eventflow_stats_tests.benchmarks.{name}", *TINY[name]]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert TOLD[name] in done.stdout


def test_a_ratio_is_taken_round_by_round_so_that_a_slow_moment_of_the_machine_meets_both_sides() -> None:
    base = Timing("base", (1.0, 10.0, 1.0))
    contender = Timing("contender", (2.0, 20.0, 2.2))

    assert contender.ratio_to(base) == 2.0
