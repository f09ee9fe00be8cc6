"""`kill -9` of the command, web server, daemon, run and database in the middle of a run."""

import json
import os
import signal
import subprocess
from datetime import UTC, datetime, timedelta

from eventflow_stats.settings import load_settings
from eventflow_stats_tests.running import COMMAND, Dagster, free_port, running_up, wait_until

LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }
"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def refresh(dagster: Dagster) -> str:
    """Launch a run as a tick does; returns its id."""
    today = datetime.now(UTC).date()
    tags = {
        "dagster/asset_partition_range_start": str(today - timedelta(days=1)),
        "dagster/asset_partition_range_end": str(today),
    }
    where = {"repositoryLocationName": "eventflow_stats", "repositoryName": "__repository__"}
    launched = dagster.ask(
        LAUNCH,
        params={
            "selector": {**where, "pipelineName": "refresh_recent_days"},
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def status(dagster: Dagster, run_id: str) -> str:
    return str(dagster.ask(STATUS, id=run_id)["runOrError"]["status"])


def test_a_run_killed_with_everything_else_is_ended_and_the_next_one_succeeds() -> None:
    subprocess.run([COMMAND, "sample", "--visits", "150000", "--days", "2"], check=True, capture_output=True)
    data = load_settings().data_dir
    port = free_port()
    with subprocess.Popen([COMMAND, "up", "--port", str(port)], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert any("Dagster UI: http" in line for line in iter(killed.stdout.readline, ""))
        dagster = Dagster(port)
        run_id = refresh(dagster)
        wait_until(lambda: status(dagster, run_id) == "STARTED", 60, "the run to start")
        known = json.loads((data / "up.json").read_text())
        server = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        for name in ("dagster-webserver", "dagster-daemon"):
            os.killpg(known[name], signal.SIGKILL)
        killed.kill()
        os.kill(server, signal.SIGKILL)

    with running_up() as dagster:
        assert status(dagster, run_id) == "FAILURE"
        again = refresh(dagster)
        wait_until(lambda: status(dagster, again) in ("SUCCESS", "FAILURE"), 120, "the next run to end")
        assert status(dagster, again) == "SUCCESS"

    message = subprocess.run([COMMAND, "status", "--json"], capture_output=True, text=True, check=False)
    assert json.loads(message.stdout)["ok"], message.stdout
