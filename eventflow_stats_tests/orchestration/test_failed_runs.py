"""The sensor failed_runs: real ticks on real failed runs."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.tags import WILL_RETRY_TAG

from eventflow_stats.definitions import defs
from eventflow_stats.engine.alerts import sent_alerts
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.orphaned_runs import PROCESS_TAG, end_dead_runs
from eventflow_stats.orchestration.sensors.failed_runs import failed_runs
from eventflow_stats_tests.orchestration.runs import FIRST, LAST, plain_url, rows, run
from eventflow_stats_tests.orchestration.test_orphaned_runs import dead_pid, started_run
from eventflow_stats_tests.webhook_receiver import Receiver, receiving

Output = pytest.CaptureFixture[str]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as found:
        monkeypatch.setenv("EVENTFLOW_ALERT_WEBHOOK", found.url)
        yield found


class Daemon:
    """The ticks of the sensor; each continues where the last one ended."""

    def __init__(self, instance: dg.DagsterInstance, output: Output) -> None:
        self.instance = instance
        self.output = output
        self.cursor: str | None = None

    def tick(self) -> list[dict[str, Any]]:
        """The alerts that one tick prints."""
        self.output.readouterr()
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=defs.get_repository_def(),
            resources={"database": RollupDatabase()},
        ) as context:
            data = failed_runs.evaluate_tick(context)
        self.cursor = data.cursor
        assert [reaction.error for reaction in data.dagster_run_reactions or [] if reaction.error] == []
        return [json.loads(line) for line in self.output.readouterr().out.splitlines() if '"alert"' in line]


@pytest.fixture
def daemon(instance: dg.DagsterInstance, capsys: Output) -> Daemon:
    """A daemon after its first tick. From then on it reports runs that fail."""
    sent_alerts._sent.clear()
    daemon = Daemon(instance, capsys)
    assert daemon.tick() == []
    return daemon


def test_a_failed_run_is_reported_with_its_cause_days_and_page(
    daemon: Daemon, receiver: Receiver, sampled: Database
) -> None:
    with sampled.session() as writer, writing_day(sampled, writer, LAST):
        run_id = run(daemon.instance).run_id

    (alert,) = daemon.tick()

    cause = (
        "1 of 4 days were not rebuilt: 2026-03-04 is being written by another run and was still busy after 2 s; "
        "nothing was changed, try it again"
    )
    assert alert["text"] == f"Run of rebuild_days failed: {cause}. Days 2026-03-01 to 2026-03-04; run {run_id}"
    assert alert["path"] == f"/runs/{run_id}"
    assert (alert["job"], alert["days"], alert["run_id"]) == ("rebuild_days", "2026-03-01 to 2026-03-04", run_id)
    assert receiver.texts == [alert["text"]]
    assert daemon.tick() == []


def test_failures_with_the_same_cause_are_one_alert(daemon: Daemon, receiver: Receiver, sampled: Database) -> None:
    """Another day or run is not another cause."""
    for day in (FIRST, LAST, LAST):
        with sampled.session() as writer, writing_day(sampled, writer, day):
            assert not run(daemon.instance, day, day).success

    assert len(daemon.tick()) == 1
    assert len(receiver.texts) == 1
    assert rows(sampled, "SELECT raised_since_sent FROM eventflow_stats.alerts") == [(2,)]


def test_another_cause_is_another_alert(daemon: Daemon, sampled: Database) -> None:
    with sampled.session() as writer, writing_day(sampled, writer, LAST):
        run(daemon.instance, LAST, LAST)
    run(daemon.instance, LAST, LAST, clients=["Nobody"])

    busy, unknown = daemon.tick()

    assert "is being written by another run" in busy["text"]
    assert "client 'Nobody' is unknown" in unknown["text"]
    assert busy["alert"] != unknown["alert"]


def test_an_error_is_reported_by_its_own_message_not_by_dagsters(daemon: Daemon, sampled: Database) -> None:
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute("ALTER TABLE eventflow_stats.days ADD CHECK (bucket_date < '2026-03-01')")
    run(daemon.instance, LAST, LAST)

    (alert,) = daemon.tick()

    assert "violates check constraint" in alert["text"]
    assert "Error occurred while executing op" not in alert["text"]


def test_a_successful_run_and_a_canceled_run_raise_no_alert(daemon: Daemon, sampled: Database) -> None:
    assert run(daemon.instance).success
    canceled = daemon.instance.get_run_by_id(started_run(daemon.instance, {}, dg.DagsterRunStatus.CANCELING))
    assert canceled is not None
    daemon.instance.report_run_canceled(canceled)

    assert daemon.tick() == []


def test_a_killed_run_is_reported_when_its_process_is_found_gone(daemon: Daemon, receiver: Receiver) -> None:
    """This includes a run of the command line, which belongs to no code location."""
    tags = {
        PROCESS_TAG: f"{socket.gethostname()}:{dead_pid()}",
        "eventflow/days": "2026-03-03 to 2026-03-04",
        "dagster/max_retries": "0",
    }
    run_id = started_run(daemon.instance, tags, dg.DagsterRunStatus.STARTED)
    assert end_dead_runs(daemon.instance) == [run_id]

    (alert,) = daemon.tick()

    assert alert["text"] == (
        "Run of refresh_recent_days failed: The process of this run is gone: it was killed, or the machine restarted. "
        f"Days 2026-03-03 to 2026-03-04; run {run_id}"
    )
    assert receiver.texts == [alert["text"]]


@pytest.mark.parametrize(
    ("tags", "name", "days"),
    [
        ({"dagster/partition": "2026-03-04"}, "a materialization", "2026-03-04"),
        (
            {
                "dagster/backfill": "abc",
                "dagster/asset_partition_range_start": "2026-03-01",
                "dagster/asset_partition_range_end": "2026-03-04",
            },
            "a backfill",
            "2026-03-01 to 2026-03-04",
        ),
    ],
)
def test_a_backfill_and_a_materialization_are_reported_as_such(
    daemon: Daemon, tags: dict[str, str], name: str, days: str
) -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    failed = daemon.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={**tags, "dagster/max_retries": "0"}
    )
    daemon.instance.report_run_failed(failed, "Exceeded maximum runtime of 7200 seconds.")

    (alert,) = daemon.tick()

    assert alert["text"] == (
        f"Run of {name} failed: Exceeded maximum runtime of 7200 seconds. Days {days}; run {failed.run_id}"
    )


def test_a_run_of_another_project_in_the_same_dagster_is_not_reported(daemon: Daemon) -> None:
    @dg.op
    def fails() -> None:
        raise ValueError("not ours")

    @dg.job
    def another_projects_job() -> None:
        fails()

    @dg.asset
    def another_projects_asset() -> None:
        raise ValueError("not ours")

    another_projects_job.execute_in_process(instance=daemon.instance, raise_on_error=False)
    dg.materialize([another_projects_asset], instance=daemon.instance, raise_on_error=False)

    assert daemon.tick() == []


def test_a_run_that_dagster_retries_is_reported_only_when_the_last_attempt_fails(
    daemon: Daemon, sampled: Database
) -> None:
    with sampled.session() as writer, writing_day(sampled, writer, LAST):
        first = run(daemon.instance, LAST, LAST).run_id
        daemon.instance.add_run_tags(first, {WILL_RETRY_TAG: "true"})
        last = run(daemon.instance, LAST, LAST).run_id

    assert [alert["run_id"] for alert in daemon.tick()] == [last]


@pytest.mark.parametrize("url", ["postgresql://me:secret@127.0.0.1:1/eventflow", "mysql://me:secret@host/db"])
def test_a_failure_is_reported_without_a_database_and_with_a_wrong_setting(
    daemon: Daemon, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", url)
    run_id = run(daemon.instance).run_id

    (alert,) = daemon.tick()

    assert run_id in alert["text"]
    assert "secret" not in json.dumps(alert)
