"""`eventflow-stats up` runs everything in the foreground, and no process is left however it ends."""

import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from eventflow_stats.cli.supervision import STEADY_SECONDS, next_pause
from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats_tests.cli.command import eventflow, one_line, processes_of, started
from eventflow_stats_tests.running import Dagster, wait_until

LONGEST = 120
END = ""
"""Marks the end of the lines."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for all tests of this module, so that its storage is created once."""
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
    """Check that no process is left; the kernel may need a moment after a kill."""
    deadline = time.monotonic() + 10
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(folder) == []
    assert not (folder / "data" / "up.json").exists()


def ready(call: "subprocess.Popen[str]", port: str) -> str:
    """The line with the addresses; before it are lines about migrations and about lost runs."""
    assert call.stdout is not None
    lines: list[str] = []
    while line := call.stdout.readline():
        if f"Dagster UI: http://127.0.0.1:{port} " in line:
            return line
        assert line.startswith(("Database: applied ", "Run ")), line
        lines.append(line)
    raise AssertionError((lines, call.communicate()))


def all_processes(folder: Path, call: "subprocess.Popen[str]") -> dict[str, int]:
    server = int((folder / "data" / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    return {"postgresql": server, **children_of(folder, call)}


def lines_of(call: "subprocess.Popen[str]") -> "queue.SimpleQueue[str]":
    """Its further lines on stdout, as they come."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        # Closes both pipes in the end.
        with call:
            for line in call.stdout or ():
                lines.put(line.rstrip("\n"))
        lines.put(END)

    threading.Thread(target=read, daemon=True).start()
    return lines


def next_line(lines: "queue.SimpleQueue[str]", *words: str) -> str:
    """The next line that has all these words."""
    while True:
        line = lines.get(timeout=LONGEST)
        if all(word in line for word in words):
            return line


@pytest.mark.slow
def test_up_refuses_a_second_one_and_starts_again_each_process_that_is_killed_and_no_other(
    folder: Path, port: str
) -> None:
    call = started(folder, "up", "--port", port)
    api = ready(call, port).split("Read API: ")[1].split("/docs")[0]
    second = eventflow(folder, "up", "--port", "3999")
    assert f"`eventflow-stats up` runs already (process {call.pid})" in one_line(second.stderr)
    assert second.returncode == 3

    lines, dagster = lines_of(call), Dagster(int(port))
    answers: dict[str, Callable[[], object]] = {
        "postgresql": lambda: (runs_stored(dagster), rollup_health(api)),
        "read-api": lambda: rollup_health(api),
        "dagster-webserver": lambda: runs_stored(dagster),
        "dagster-daemon": lambda: None,
    }
    assert answers.keys() == all_processes(folder, call).keys()
    for name, answer in answers.items():
        before = all_processes(folder, call)
        os.kill(before[name], signal.SIGKILL)

        message = next_line(lines, name, "ended by itself")
        assert message.startswith(f"{name} ended by itself (")
        assert " it is started again in 1 s; see " in message
        alert = json.loads(next_line(lines, '{"alert"', f'"process": "{name}"'))
        assert (alert["alert"], alert["text"]) == (f"process ended: {name}", message)

        wait_until(partial(is_back, folder, call, before), LONGEST, f"{name} to be back")
        wait_until(partial(succeeds, answer), LONGEST, f"{name} to answer")
        after = all_processes(folder, call)
        assert {other for other in after if after[other] != before[other]} == {name}
        assert psutil.pid_exists(after[name])

    call.send_signal(signal.SIGINT)
    assert next_line(lines, "Stopped.") == "Stopped."
    assert (call.wait(LONGEST), lines.get(timeout=LONGEST)) == (0, END)
    require_nothing_left(folder)


def runs_stored(dagster: Dagster) -> int:
    """Ask the web server for a number that is in the database."""
    return int(dagster.ask("{ runsOrError { ... on Runs { count } } }")["runsOrError"]["count"])


def rollup_health(api: str) -> str:
    """Ask the read API for a state that is in the database; nothing was computed there yet."""
    status = str(httpx.get(f"{api}/healthz", timeout=10).json()["status"])
    assert status == "stale"
    return status


def is_back(folder: Path, call: "subprocess.Popen[str]", before: dict[str, int]) -> bool:
    try:
        return all_processes(folder, call) != before
    except (OSError, ValueError, IndexError):
        return False


def succeeds(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (OSError, LookupError, AssertionError, httpx.HTTPError):
        return False
    return True


def test_a_process_that_cannot_start_ends_up_with_one_line(folder: Path, port: str) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(shipped("dagster.yaml").read_text())
    (home / "workspace.yaml").write_text("load_from: nonsense")
    call = started(folder, "up", "--port", port, DAGSTER_HOME=str(home))
    _, err = call.communicate(timeout=LONGEST)
    assert " ended by itself (exit code 1); see " in one_line(err)
    assert call.returncode == 1
    require_nothing_left(folder)


def test_the_pause_before_a_start_grows_to_a_minute_and_is_short_again_after_a_steady_time() -> None:
    pauses = [0.0]
    for _ in range(9):
        pauses.append(next_pause(pauses[-1], 2.0))
    assert pauses[1:] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert next_pause(60, STEADY_SECONDS) == 1


@pytest.mark.slow
def test_up_clears_what_a_killed_up_left_and_ctrl_c_stops_everything(folder: Path, port: str) -> None:
    killed = started(folder, "up", "--port", port)
    left = set(children_of(folder, killed).values())
    # The web server must have its port, for the next one to find it taken.
    ready(killed, port)
    killed.kill()
    killed.communicate()
    assert left <= set(processes_of(folder))

    call = started(folder, "up", "--port", port)
    ready(call, port)
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
