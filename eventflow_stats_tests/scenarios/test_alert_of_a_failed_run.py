"""A run that fails under the real daemon raises an alert in the terminal of `up` and at the webhook."""

import json
import os
import queue
import subprocess
import threading
from datetime import date
from typing import IO

import pytest

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings
from eventflow_stats_tests.running import COMMAND, Dagster, free_port, wait_until
from eventflow_stats_tests.webhook_receiver import receiving

LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }
"""
TICKS = """
{ sensorOrError(sensorSelector: {repositoryLocationName: "eventflow_stats", repositoryName: "__repository__",
  sensorName: "failed_runs"}) { ... on Sensor { sensorState { status ticks(limit: 1) { status } } } } }
"""
DAY = date(2026, 3, 4)
WHERE = {"repositoryLocationName": "eventflow_stats", "repositoryName": "__repository__"}


def launch_with_unknown_client(dagster: Dagster) -> str:
    """Launch a run as a person does in the UI, with a mistake in its config; returns its id."""
    launched = dagster.ask(
        LAUNCH,
        params={
            "selector": {**WHERE, "pipelineName": "rebuild_days"},
            "runConfigData": {"ops": {"marketing_stats_daily": {"config": {"clients": ["Nobody"]}}}},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(DAY)}]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def fail_on_the_command_line() -> None:
    """Run a backfill of a day that another session is writing. Such a run belongs to no code location."""
    settings = load_settings()
    with open_database(settings) as database, database.session() as writer, writing_day(database, writer, DAY):
        backfill = [COMMAND, "backfill", "--from", str(DAY), "--to", str(DAY)]
        environment = {**os.environ, "EVENTFLOW_LOCK_TIMEOUT": "0.2"}
        assert subprocess.run(backfill, env=environment, capture_output=True, check=False).returncode == 1


def read_lines(stdout: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    for line in stdout:
        lines.put(line)


def first_tick_is_done(dagster: Dagster) -> bool:
    """The sensor reports only runs that fail after its first tick."""
    state = dagster.ask(TICKS)["sensorOrError"]["sensorState"]
    assert state["status"] == "RUNNING"
    return [tick["status"] for tick in state["ticks"]] == ["SKIPPED"]


def test_a_failed_run_raises_an_alert_in_the_terminal_and_at_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with receiving() as receiver:
        monkeypatch.setenv("EVENTFLOW_ALERT_WEBHOOK", receiver.url)
        with subprocess.Popen([COMMAND, "up", "--port", str(port)], stdout=subprocess.PIPE, text=True) as up:
            assert up.stdout is not None
            lines: queue.SimpleQueue[str] = queue.SimpleQueue()
            for line in iter(up.stdout.readline, ""):
                if "Dagster UI: http" in line:
                    break
            rest = threading.Thread(target=read_lines, args=(up.stdout, lines))
            rest.start()
            try:
                dagster = Dagster(port)
                wait_until(lambda: first_tick_is_done(dagster), 120, "the sensor's first tick")
                fail_on_the_command_line()
                run_id = launch_with_unknown_client(dagster)
                busy, alert = (json.loads(lines.get(timeout=180)) for _ in range(2))
            finally:
                up.terminate()
                rest.join()
    assert alert["text"].startswith("Run of rebuild_days failed: client 'Nobody' is unknown")
    assert alert["run_id"] == run_id
    assert "2026-03-04 is being written by another run" in busy["text"]
    assert receiver.texts == [busy["text"], alert["text"]]
    log = (load_settings().data_dir / "logs" / "dagster-daemon.log").read_text()
    assert log.count('{"alert": ') == 2
    assert "secret-path" not in log + json.dumps(alert)
