"""The processes of `up`: each is started in a process group of its own and stopped with all processes of the group."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import psutil

from eventflow_stats.errors import EventflowError

STOP_SECONDS = 20
GONE_SECONDS = 5


class Task(Protocol):
    """Work of another process that must be finished before a restart."""

    def finished(self) -> bool:
        """Whether it is done; called repeatedly.

        Raises:
            EventflowError: it failed.
        """

    def cancel(self) -> None:
        """Stop it if it runs."""


class Child:
    """A process that `up` starts in a group of its own, so that Ctrl-C reaches only `up`, which stops its children.

    ``before_restart`` begins a task before each start except the first.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: dict[str, str],
        log: Path,
        before_restart: Callable[[], Task] | None = None,
    ) -> None:
        self.name, self.log = name, log
        self._command, self._environment, self._before_restart = command, environment, before_restart
        self._process: subprocess.Popen[bytes] | None = None
        self._task: Task | None = None

    @property
    def pid(self) -> int | None:
        """None before the first start."""
        return self._process.pid if self._process is not None else None

    def ended(self) -> str | None:
        """How it ended, such as its exit code; None while it runs."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"exit code {self._process.returncode}"

    def start(self) -> bool:
        """Start it. False: the task before a restart is not finished; call again soon."""
        if self._process is not None and not self._is_prepared(self._process.pid):
            return False
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                self._command,
                env=self._environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return True

    def _is_prepared(self, last: int) -> bool:
        if self._task is None:
            # Also end what it started (code servers, runs).
            end_group(last)
            if self._before_restart is None:
                return True
            self._task = self._before_restart()
        try:
            if not self._task.finished():
                return False
        except EventflowError:
            self._task = None
            raise
        self._task = None
        return True

    def interrupt(self) -> None:
        """Interrupt it like Ctrl-C."""
        if self._task is not None:
            self._task.cancel()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)

    def end(self) -> None:
        """Wait until it has ended, and kill what does not end in time."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            end_group(self._process.pid)
            self._process.wait()


def stop(children: Sequence[Child]) -> None:
    """Interrupt the children like Ctrl-C, and kill those that do not end in time."""
    for child in children:
        child.interrupt()
    for child in children:
        child.end()


def end_group(leader: int) -> None:
    """Kill a process with its group (runs, code servers) and wait until all have ended: the embedded server stops only
    when no process holds it."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                members.append(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    psutil.wait_procs(members, timeout=GONE_SECONDS)


def is_running(pid: int | None, word: str) -> bool:
    """Whether that process runs and is ours: another program may have got its pid."""
    try:
        return pid is not None and any(word in part for part in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
