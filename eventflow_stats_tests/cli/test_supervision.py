"""A process that ends by itself is started again after a growing pause, and no other process waits for it."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from eventflow_stats.cli import supervision
from eventflow_stats.cli.processes import Child, stop
from eventflow_stats.cli.supervision import Supervised
from eventflow_stats.errors import Refused
from eventflow_stats_tests.running import wait_until

ENDS = [sys.executable, "-c", ""]
LIVES = [sys.executable, "-c", "import time; time.sleep(600)"]


class Slow:
    """A task that the test finishes."""

    def __init__(self) -> None:
        self.is_done = self.is_cancelled = self.fails = False

    def finished(self) -> bool:
        if self.fails:
            raise Refused("the storage is away")
        return self.is_done

    def cancel(self) -> None:
        self.is_cancelled = True


def test_a_process_that_ends_at_once_is_started_less_and_less_often_and_each_end_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.25)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 1.0)
    message: list[tuple[str, str]] = []
    child = Child("worker", ENDS, {}, tmp_path / "worker.log")
    child.start()
    supervised = Supervised(child, lambda name, line: message.append((name, line)))
    starts: list[float] = []
    ended = 0.0
    while len(starts) < 4:
        before = len(message)
        if supervised.restart_if_ended():
            starts.append(time.monotonic() - ended)
        if len(message) > before:
            ended = time.monotonic()
        time.sleep(0.01)
    stop([child])
    pauses = [0.25, 0.5, 1.0, 1.0]
    assert all(took >= pause for pause, took in zip(pauses, starts, strict=True)), starts
    assert message[:4] == [
        (
            "worker",
            f"worker ended by itself (exit code 0); it is started again in {pause:g} s; see {tmp_path / 'worker.log'}",
        )
        for pause in pauses
    ]


def test_a_restart_that_takes_long_delays_no_other_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0)
    task, message = Slow(), list[str]()
    slow = Child("slow", ENDS, {}, tmp_path / "slow.log", before_restart=lambda: task)
    other = Child("other", LIVES, {}, tmp_path / "other.log")
    watched = [Supervised(child, lambda _, line: message.append(line)) for child in (slow, other)]
    for child in (slow, other):
        child.start()
    try:
        wait_until(lambda: slow.ended() is not None, 30, "it to end", every=0.01)
        ended, killed = slow.pid, other.pid
        for _ in range(3):
            assert not watched[0].restart_if_ended()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(watched[1].restart_if_ended, 30, "the other to be back", every=0.01)
        assert other.ended() is None
        assert (slow.pid, other.pid != killed) == (ended, True)
        assert [line.split()[0] for line in message] == ["slow", "other"]

        task.fails = True
        assert not watched[0].restart_if_ended()
        assert message[-1].startswith("slow could not be started again: the storage is away; it is started again in ")
        task.fails, task.is_done = False, True
        wait_until(watched[0].restart_if_ended, 30, "it to be back", every=0.01)
        assert slow.pid != ended

        task.is_done = False
        wait_until(lambda: slow.ended() is not None, 30, "it to end again", every=0.01)
        wait_until(lambda: watched[0].restart_if_ended() or slow._task is not None, 30, "its task to run", every=0.01)
    finally:
        stop([slow, other])
    assert task.is_cancelled
