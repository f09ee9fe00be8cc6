"""Dagster's web server and daemon on a test database. Schedules and sensors are off."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError

from eventflow_stats_tests.running import Dagster, free_port, wait_until

ROOT = Path(__file__).parents[2]
AUTOMATION = """
{ repositoriesOrError { ... on RepositoryConnection { nodes {
  schedules { scheduleState { id } } sensors { sensorState { id } }
} } } }
"""
STOP_SCHEDULE = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }"
STOP_SENSOR = "mutation($id: String!) { stopSensor(id: $id) { __typename } }"
RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status jobName tags { key value } } } }"
BACKFILL = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status title tags { key value } runs { status tags { key value } } }
} }
"""
COUNTS = """
{ runsOrError { ... on Runs { count } } partitionBackfillsOrError { ... on PartitionBackfills { results { id } } } }
"""


class OwnDagster(Dagster):
    """A running Dagster and its runs and backfills."""

    def run(self, run_id: str) -> Any:
        return self.ask(RUN, id=run_id)["runOrError"]

    def backfill(self, backfill_id: str) -> Any:
        return self.ask(BACKFILL, id=backfill_id)["partitionBackfillOrError"]

    def was_asked_for(self) -> tuple[int, int]:
        """Number of all runs and backfills."""
        found = self.ask(COUNTS)
        return found["runsOrError"]["count"], len(found["partitionBackfillsOrError"]["results"])

    def stop_automation(self) -> None:
        """Stop all schedules and sensors."""
        for repository in self.ask(AUTOMATION)["repositoriesOrError"]["nodes"]:
            for schedule in repository["schedules"]:
                self.ask(STOP_SCHEDULE, id=schedule["scheduleState"]["id"])
            for sensor in repository["sensors"]:
                self.ask(STOP_SENSOR, id=sensor["sensorState"]["id"])


@contextmanager
def webserver(
    folder: Path, environment: dict[str, str], workspace: Path = ROOT / "workspace.yaml", *, guarded: bool = True
) -> Iterator[OwnDagster]:
    """Run Dagster's web server with the project's code location, or another. ``guarded``: as `up` runs it, otherwise
    as Dagster's own command does."""
    port = free_port()
    module = "eventflow_stats.orchestration.web_server" if guarded else "dagster_webserver"
    words = ("--workspace", str(workspace), "--host", "127.0.0.1", "--port", str(port))
    with _process(folder, environment, module, *words) as process:
        dagster = OwnDagster(port)
        wait_until(lambda: process.poll() is not None or _answers(dagster), 120, "the webserver")
        assert process.poll() is None, "the webserver ended by itself"
        yield dagster


@contextmanager
def webserver_and_daemon(folder: Path, environment: dict[str, str]) -> Iterator[OwnDagster]:
    """Run both. The daemon starts after the schedules were stopped."""
    with ExitStack() as running:
        dagster = running.enter_context(webserver(folder, environment))
        dagster.stop_automation()
        running.enter_context(
            _process(folder, environment, "dagster._daemon", "run", "-w", str(ROOT / "workspace.yaml"))
        )
        yield dagster


@contextmanager
def _process(
    folder: Path, environment: dict[str, str], module: str, *words: str
) -> Iterator["subprocess.Popen[bytes]"]:
    shutil.copy(ROOT / "dagster.yaml", folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EVENTFLOW_", "DAGSTER_"))}
    with (folder / f"{module}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module, *words],
            env={**inherited, **environment, "DAGSTER_HOME": str(folder)},
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        # Its runs and code servers are in the same process group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(dagster: Dagster) -> bool:
    try:
        return bool(dagster.ask("{ version }"))
    except (URLError, ConnectionError):
        return False
