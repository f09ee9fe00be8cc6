"""A property test: faults of the environment, edits, ticks, backfills and verifications in any order.

``FAULT_EXAMPLES=200 pytest`` on this file tries 200 sequences, others each time, and shortens one that fails.
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
def test_no_wrong_number_is_verified_and_the_rollup_is_right_after_the_last_fault(
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
            # To shorten a sequence takes minutes.
            phases=set(Phase) if EXAMPLES else set(Phase) - {Phase.shrink},
            print_blob=False,
        ),
    )
