"""Runs that die or take too long, executed by Dagster's own launcher and daemons on a real code server."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.controller import create_daemon_grpc_server_registry
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from eventflow_stats.definitions import defs
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.runs.orphaned_runs import end_dead_runs
from eventflow_stats_tests.orchestration.conftest import ROOT
from eventflow_stats_tests.orchestration.runs import materialized, plain_url, rows, run
from eventflow_stats_tests.running import wait_until

# Dagster's own, at the first start of its event log consumer.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning")

DAY = date(2026, 3, 3)
BY_HAND = "__ASSET_JOB"
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class Daemons:
    """The work of the daemon, one iteration at a time: its intervals would make every test wait half a minute."""

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        self.instance = instance
        self.workspace = workspace
        self.queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
        self.retries = EventLogConsumerDaemon()
        # The first iteration ever only remembers where the log ends.
        list(self.retries.run_iteration(workspace))

    def launch(self, job: str, clients: list[str] | None = None) -> str:
        """Queue a run as the UI does, and let the daemon start it; returns its id."""
        request = self.workspace.create_request_context()
        remote = request.get_code_location("eventflow_stats").get_repository("__repository__").get_full_job(job)
        definition = defs.resolve_implicit_global_asset_job_def() if job == BY_HAND else defs.resolve_job_def(job)
        created = self.instance.create_run_for_job(
            definition,
            run_config={"ops": {"marketing_stats_daily": {"config": {"clients": clients or []}}}},
            tags={**definition.tags, **range_tags(DAY, DAY)},
            remote_job_origin=remote.get_remote_origin(),
            job_code_origin=remote.get_python_origin(),
        )
        self.instance.submit_run(created.run_id, request)
        self.start_queued()
        return created.run_id

    def start_queued(self) -> None:
        list(self.queue.run_iteration(self.workspace))

    def watch(self) -> None:
        list(execute_run_monitoring_iteration(self.workspace, logging.getLogger("monitoring")))

    def retry(self) -> None:
        list(self.retries.run_iteration(self.workspace))

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        return self.run(run_id).status

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def messages(self, run_id: str) -> str:
        return "\n".join(entry.message for entry in self.instance.all_logs(run_id))

    def process(self, run_id: str) -> int:
        """The process that executes the run."""
        for entry in self.instance.all_logs(run_id):
            data: Any = entry.dagster_event and entry.dagster_event.event_specific_data
            pid = getattr(data, "metadata", {}).get("pid")
            if pid is not None and "Executing steps" in entry.message:
                return int(pid.value)
        raise AssertionError(self.messages(run_id))


@pytest.fixture
def daemons(instance: dg.DagsterInstance, sampled: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    monkeypatch.setenv("EVENTFLOW_LOCK_TIMEOUT", "120")
    target = WorkspaceFileTarget([str(ROOT / "workspace.yaml")])
    with create_daemon_grpc_server_registry(instance) as servers:
        with WorkspaceProcessContext(instance, target, grpc_server_registry=servers) as workspace:
            yield Daemons(instance, workspace)
        servers.shutdown_all_processes()
        servers.wait_for_processes()


@contextmanager
def working(daemons: Daemons, database: Database, job: str) -> Iterator[str]:
    """A run of that job in the middle of its day; it cannot finish before this context ends."""
    with database.session() as holder, writing_day(database, holder, DAY):
        run_id = daemons.launch(job)
        wait_until(lambda: waits_for_the_day(database), 120, "the run to get to its day")
        yield run_id


def waits_for_the_day(database: Database) -> bool:
    question = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    return len(rows(database, question)) > 0


def test_a_killed_run_of_a_person_is_started_again(daemons: Daemons, sampled: Database) -> None:
    with working(daemons, sampled, BY_HAND) as killed:
        os.kill(daemons.process(killed), signal.SIGKILL)
        wait_until(lambda: daemons.status(killed) in ENDED, 60, "the loss of the process to be noticed")
    assert daemons.status(killed) == dg.DagsterRunStatus.FAILURE
    daemons.retry()
    daemons.start_queued()

    (again,) = daemons.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": killed}))
    wait_until(lambda: daemons.status(again.run_id) in ENDED, 120, "the second run to end")
    assert daemons.status(again.run_id) == dg.DagsterRunStatus.SUCCESS, daemons.messages(again.run_id)
    assert materialized(daemons.instance) == {"2026-03-03"}
    assert daemons.run(again.run_id).tags["eventflow/days"] == "2026-03-03"


def test_a_killed_run_of_the_schedule_is_left_to_the_next_tick(daemons: Daemons, sampled: Database) -> None:
    with working(daemons, sampled, "refresh_recent_days") as killed:
        os.kill(daemons.process(killed), signal.SIGKILL)
        wait_until(lambda: daemons.status(killed) in ENDED, 60, "the loss of the process to be noticed")
    daemons.retry()

    assert daemons.status(killed) == dg.DagsterRunStatus.FAILURE
    assert [found.run_id for found in daemons.instance.get_runs()] == [killed]


def test_a_dead_run_that_up_ends_is_started_again_unless_it_is_of_the_command_line(daemons: Daemons) -> None:
    by_hand, by_command = (
        daemons.instance.create_run_for_job(
            defs.resolve_job_def("rebuild_days"),
            status=dg.DagsterRunStatus.STARTED,
            tags={**range_tags(DAY, DAY), **tags},
            remote_job_origin=origin(daemons),
        ).run_id
        for tags in (
            {".dagster/grpc_info": '{"host": "localhost", "socket": "/nowhere"}'},
            {"eventflow/process": f"{os.uname().nodename}:{2**22 + 1}", "dagster/max_retries": "0"},
        )
    )

    assert set(end_dead_runs(daemons.instance)) == {by_hand, by_command}
    daemons.retry()

    new = {found.parent_run_id for found in daemons.instance.get_runs() if found.run_id not in (by_hand, by_command)}
    assert new == {by_hand}


def origin(daemons: Daemons) -> Any:
    location = daemons.workspace.create_request_context().get_code_location("eventflow_stats")
    return location.get_repository("__repository__").get_full_job("rebuild_days").get_remote_origin()


def test_a_run_whose_step_failed_is_not_started_again(daemons: Daemons) -> None:
    failed = daemons.launch(BY_HAND, clients=["nobody"])
    wait_until(lambda: daemons.status(failed) in ENDED, 120, "the run to end")
    daemons.retry()

    assert daemons.status(failed) == dg.DagsterRunStatus.FAILURE
    assert [found.run_id for found in daemons.instance.get_runs()] == [failed]


@pytest.mark.parametrize(("job", "seconds"), [("refresh_recent_days", 900), (BY_HAND, 7200)])
def test_a_run_that_takes_too_long_is_ended_and_failed(
    daemons: Daemons, sampled: Database, job: str, seconds: int
) -> None:
    with working(daemons, sampled, job) as run_id:
        daemons.watch()
        assert daemons.status(run_id) == dg.DagsterRunStatus.STARTED
        with psycopg.connect(os.environ["EVENTFLOW_DAGSTER_URL"]) as connection:
            connection.execute("UPDATE runs SET start_time = start_time - %s", [seconds])
        daemons.watch()
        wait_until(lambda: not waits_for_the_day(sampled), 60, "the run's process to let go of its day")

    assert daemons.status(run_id) == dg.DagsterRunStatus.FAILURE
    assert f"Exceeded maximum runtime of {seconds} seconds." in daemons.messages(run_id)
    assert materialized(daemons.instance) == set()


def test_a_statement_that_takes_too_long_fails_its_run_and_names_the_setting(
    instance: dg.DagsterInstance, sampled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_LOCK_TIMEOUT", "60")
    monkeypatch.setenv("EVENTFLOW_STATEMENT_TIMEOUT", "0.5")
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute("LOCK TABLE event_access_logs IN ACCESS EXCLUSIVE MODE")
        result = run(instance, DAY, DAY)

    assert not result.success
    (data,) = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert data is not None
    assert "canceling statement due to statement timeout" in str(data.description)
    assert "raise EVENTFLOW_STATEMENT_TIMEOUT (it is 0.5 s)" in str(data.description)
    assert materialized(instance) == set()


@pytest.mark.parametrize("kind", [InstigatorType.SCHEDULE, InstigatorType.SENSOR])
def test_old_ticks_are_deleted(instance: dg.DagsterInstance, kind: InstigatorType) -> None:
    kept = instance.get_tick_retention_settings(kind)

    assert {kept[status] for status in (TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.FAILURE)} == {7, 30, 90}


def test_a_place_is_left_for_the_refresh_whatever_else_is_active(daemons: Daemons) -> None:
    for number in range(3):
        tags = {"dagster/backfill": f"b{number}"}
        under_way(daemons, BY_HAND, tags)
    for job in ("verify_history", "refresh_late_days"):
        under_way(daemons, job, {})
    waiting = [daemons.launch(job) for job in ("repair_days", "rebuild_days")]

    refresh = daemons.launch("refresh_recent_days")

    queued = dg.DagsterRunStatus.QUEUED
    assert [daemons.status(run_id) for run_id in waiting] == [queued, queued]
    assert daemons.status(refresh) != queued


def under_way(daemons: Daemons, job: str, tags: dict[str, str]) -> None:
    """A run of that job that occupies its place."""
    definition = defs.resolve_implicit_global_asset_job_def() if job == BY_HAND else defs.resolve_job_def(job)
    daemons.instance.create_run_for_job(
        definition, status=dg.DagsterRunStatus.STARTED, tags={**definition.tags, **tags}
    )
