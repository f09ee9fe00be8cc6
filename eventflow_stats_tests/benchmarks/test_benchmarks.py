"""Runs benchmarks end to end at a tiny size. A person runs those that start Dagster or dbt."""

import subprocess
import sys

import pytest

from eventflow_stats_tests.benchmarks.side_by_side import Timing

TINY = {
    "read_api": ["--facts", "4000", "--days", "70", "--requests", "100"],
    "api_under_attack": ["--megabytes", "2", "--unfinished", "50", "--at-once", "20", "--seconds", "1"],
    "tick": ["--size", "300", "--size", "600", "--rounds", "1", "--clients", "10"],
    "sweep_and_verification": ["--facts", "200", "--days", "2", "--clients", "10", "--rounds", "1"],
    "assumptions_and_second_count": ["--facts", "300", "--groups", "30", "--clients", "10", "--rounds", "1"],
    # A client with more groups of a day than explain lists, and with facts of no link.
    "planted_errors": ["--facts", "1000", "--groups", "600", "--days", "2", "--clients", "3"],
}
PRINTED = {
    "read_api": "cached answers",
    "api_under_attack": "20 requests at once of one tenant",
    "tick": "how flat",
    "sweep_and_verification": "times the GROUP BY",
    "assumptions_and_second_count": "second count",
    "planted_errors": "rows were not written again",
}


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_runs_from_its_one_command_and_prints_its_ratios(name: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", f"eventflow_stats_tests.benchmarks.{name}", *TINY[name]]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert PRINTED[name] in done.stdout


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    base = Timing("base", (1.0, 10.0, 1.0))
    contender = Timing("contender", (2.0, 20.0, 2.2))

    assert contender.ratio_to(base) == 2.0
