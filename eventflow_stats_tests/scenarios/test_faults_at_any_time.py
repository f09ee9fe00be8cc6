"""Promises 1, 3 and 9 for any order of faults of the environment, edits, ticks, backfills and verifications.

``FAULT_EXAMPLES=200 pytest`` on this file tries as many lives, others each time, and shortens one that fails.
"""

import os
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.scenarios.fault_machine import FaultMachine
from eventflow_stats_tests.scenarios.two_logins import databases

__all__ = ["databases"]

EXAMPLES = int(os.environ.get("FAULT_EXAMPLES", "0"))


@pytest.mark.environment
@pytest.mark.timeout(0 if EXAMPLES else 600)
def test_no_fault_makes_a_wrong_number_verified_and_the_rollup_is_right_when_it_is_over(
    databases: tuple[Database, Database],
) -> None:
    machine: Any = partial(FaultMachine, *databases)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or 8,
            stateful_step_count=25,
            deadline=None,
            derandomize=not EXAMPLES,
            database=None,
            suppress_health_check=list(HealthCheck),
            # Shortening a life takes minutes.
            phases=set(Phase) if EXAMPLES else set(Phase) - {Phase.shrink},
            print_blob=False,
        ),
    )
