"""Starts `eventflow-stats up`, and asks its Dagster."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("eventflow-stats"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dagster:
    """Dagster's GraphQL API at a port of this machine."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, question: str, **variables: Any) -> Any:
        body = json.dumps({"query": question, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


@contextmanager
def running_up(port: int | None = None) -> Iterator[Dagster]:
    """Start `eventflow-stats up` as a process, and wait until it is ready. Ctrl-C must end it with exit code 0."""
    port = port or free_port()
    process = subprocess.Popen([COMMAND, "up", "--port", str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert any("Dagster UI: http" in line for line in iter(process.stdout.readline, "")), "up did not start"
        yield Dagster(port)
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.stdout.close()
        assert process.wait(60) == 0


def wait_until(happened: Callable[[], bool], seconds: float, what: str, every: float = 0.5) -> None:
    """Wait for something that another process does; it is asked for every ``every`` seconds. Fail with ``what`` when it
    does not happen in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(every)
