"""`eventflow-stats up`: everything in the foreground, and nothing left when it ends, however it ends."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventflow_stats_tests.cli.command import eventflow, one_line, processes_of, started

LONGEST = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for all of these, so that its storage is laid once."""
    folder = tmp_path_factory.mktemp("up")
    yield folder
    for pid in processes_of(folder):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def children_of(folder: Path, call: "subprocess.Popen[str]") -> dict[str, int]:
    """The recorded processes, once all are started."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline and call.poll() is None:
        try:
            known: dict[str, int] = json.loads((folder / "data" / "up.json").read_text())
        except (OSError, ValueError):
            known = {}
        if known.get("up") == call.pid and {"read-api", "dagster-daemon"} <= known.keys():
            return {name: pid for name, pid in known.items() if name != "up"}
        time.sleep(0.05)
    raise AssertionError(call.communicate())


def require_nothing_left(folder: Path) -> None:
    """No process is left; the kernel may need a moment to take down what was killed."""
    deadline = time.monotonic() + 10
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(folder) == []
    assert not (folder / "data" / "up.json").exists()


def test_up_says_where_the_ui_is_refuses_a_second_one_and_ends_with_a_child_that_dies(folder: Path, port: str) -> None:
    call = started(folder, "up", "--port", port)
    assert call.stdout is not None
    said = [call.stdout.readline()]
    if said[0].startswith("Database: applied"):
        said.append(call.stdout.readline())
    assert f"Dagster UI: http://127.0.0.1:{port} " in said[-1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=10) as answer:
        assert "dagster_webserver_version" in json.load(answer)
    api = said[-1].split("Read API: ")[1].split("/docs")[0]
    with urllib.request.urlopen(f"{api}/openapi.json", timeout=10) as answer:
        assert "/api/clients/{client_id}/campaigns/summary" in json.load(answer)["paths"]

    second = eventflow(folder, "up", "--port", "3999")
    assert f"`eventflow-stats up` runs already (process {call.pid})" in one_line(second.stderr)
    assert second.returncode == 3

    os.kill(children_of(folder, call)["dagster-daemon"], signal.SIGKILL)
    _, err = call.communicate(timeout=LONGEST)
    assert "dagster-daemon ended by itself (exit code -9); see " in one_line(err)
    assert call.returncode == 1
    require_nothing_left(folder)


def test_up_clears_what_a_killed_up_left_and_ctrl_c_stops_everything(folder: Path, port: str) -> None:
    killed = started(folder, "up", "--port", port)
    left = set(children_of(folder, killed).values())
    # The web server must have its port, for the next one to find it taken.
    assert killed.stdout is not None
    killed.stdout.readline()
    killed.kill()
    killed.communicate()
    assert left <= set(processes_of(folder))

    call = started(folder, "up", "--port", port)
    assert call.stdout is not None
    said = call.stdout.readline()
    assert f"Dagster UI: http://127.0.0.1:{port} " in said, said or call.communicate()
    assert not left & set(processes_of(folder))
    call.send_signal(signal.SIGINT)
    out, err = call.communicate(timeout=LONGEST)
    assert (call.returncode, out, err) == (0, "Stopping ...\nStopped.\n", "")
    require_nothing_left(folder)


def test_sigterm_stops_everything_even_while_it_is_starting(folder: Path, port: str) -> None:
    call = started(folder, "up", "--port", port)
    children_of(folder, call)
    call.send_signal(signal.SIGTERM)
    out, err = call.communicate(timeout=LONGEST)
    assert (call.returncode, err) == (0, "")
    assert out.endswith("Stopping ...\nStopped.\n")
    require_nothing_left(folder)
