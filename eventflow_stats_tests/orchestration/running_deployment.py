"""A deployment as an operator runs it: ``eventflow-stats up`` on made-up facts, with queries of its state."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg

from eventflow_stats.local.server import embedded_server


@dataclass(frozen=True)
class Deployment:
    """A running ``eventflow-stats up`` with made-up facts up to the day ``last``."""

    url: str
    database_url: str
    last: date

    def ask(self, query: str) -> Any:
        """The answer of Dagster's GraphQL."""
        request = urllib.request.Request(
            f"{self.url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            message = json.load(answer)
        assert "errors" not in message, message
        return message["data"]

    def materialized(self) -> set[str]:
        """The materialized partitions in Dagster, without the later ones of the schedule."""
        node = self.ask(
            '{assetNodes(assetKeys: [{path: ["marketing_stats_daily"]}]) {assetPartitionStatuses '
            "{... on TimePartitionStatuses {ranges {status startKey endKey}}}}}"
        )["assetNodes"][0]
        found = set()
        for part in node["assetPartitionStatuses"]["ranges"]:
            assert part["status"] == "MATERIALIZED"
            day = date.fromisoformat(part["startKey"])
            while day <= date.fromisoformat(part["endKey"]):
                found.add(day.isoformat())
                day += timedelta(days=1)
        return {day for day in found if day <= self.last.isoformat()}

    def runs(self, *, of_backfills: bool = False) -> list[str]:
        """Status of every run, or of those that backfills launched."""
        found = self.ask("{runsOrError {... on Runs {results {status tags {key}}}}}")["runsOrError"]["results"]
        return [
            run["status"]
            for run in found
            if not of_backfills or any(tag["key"] == "dagster/backfill" for tag in run["tags"])
        ]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a statement run as the database's owner, committed."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query.encode()).fetchall()


@contextmanager
def running_deployment(folder: Path, first: date, last: date) -> Iterator[Deployment]:
    """The environment of a deployment in that folder. Its first partition is three days before ``first``."""
    foreign = ("EVENTFLOW_", "DAGSTER_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "EVENTFLOW_DATA_DIR": str(folder / "data"),
        "EVENTFLOW_API_PORT": "0",
        "EVENTFLOW_START_DATE": (first - timedelta(days=3)).isoformat(),
        "EVENTFLOW_SENSOR_SECONDS": "15",
    }
    command = [str(Path(sys.executable).with_name("eventflow-stats"))]
    size = ["--visits", "5000", "--clients", "4", "--days", str((last - first).days + 1), "--until", last.isoformat()]
    subprocess.run([*command, "sample", *size], env=environment, cwd=folder, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    up = subprocess.Popen(
        [*command, "up", "--port", str(port)], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert up.stdout is not None
    try:
        message = next((line for line in up.stdout if line.startswith("Dagster UI: ")), None)
        assert message is not None, f"`eventflow-stats up` ended with exit code {up.wait()}"
        with embedded_server(folder / "data") as database_url:
            yield Deployment(f"http://127.0.0.1:{port}", database_url, last)
    finally:
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=60)
