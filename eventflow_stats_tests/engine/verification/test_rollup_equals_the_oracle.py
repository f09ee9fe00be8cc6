"""For any sequence of work of product and engine, the rollup ends equal to the oracle. Facts are added, back-dated,
changed and deleted, also in transactions that stay open, in savepoints and in prepared transactions. Links,
campaigns and webinars change their clients. Meanwhile the engine ticks, rebuilds some clients, verifies and sweeps,
and is killed before, or interrupted between, any of its statements. ``PROGRESS_EXAMPLES=500 pytest`` on this file
tries so many examples, different ones each time, and shortens one that fails."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.verification.product_machine import ZONE
from eventflow_stats_tests.engine.verification.rollup_machine import EngineMachine
from eventflow_stats_tests.facts import connect

EXAMPLES = int(os.environ.get("PROGRESS_EXAMPLES", "0"))


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    url = cluster.migrated(ZONE)
    database = Database(url, Settings(bucket_timezone=ZONE, lock_timeout=10))
    with connect(database) as connection:
        # The machine does not fail in this test, and waiting for the disk would take most of the time.
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(str(database.url.database)))
        )
    yield database
    cluster.drop(url)


@pytest.mark.timeout(0 if EXAMPLES else 600)
@pytest.mark.slow
def test_after_any_work_one_sweep_ends_equal_to_the_oracle_and_one_tick_if_facts_were_only_added(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The interrupted work keeps its day busy, however long detection waits.
    monkeypatch.setattr("eventflow_stats.engine.rollup.detect.LOCK_WAIT_SECONDS", 0.02)
    machine: Any = partial(EngineMachine, database)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or 10,
            stateful_step_count=30,
            deadline=None,
            derandomize=not EXAMPLES,
            database=None,
            suppress_health_check=list(HealthCheck),
            # Shortening an example takes minutes.
            phases=set(Phase) if EXAMPLES else set(Phase) - {Phase.shrink},
            print_blob=False,
        ),
    )
