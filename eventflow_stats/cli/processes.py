"""The processes that `up` runs: started in groups of their own, stopped with all they started."""

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
    """Work of another process that a restart waits for."""

    def finished(self) -> bool:
        """Whether it is done; asked again and again.

        Raises:
            EventflowError: it failed.
        """

    def cancel(self) -> None:
        """End it if it runs."""


class Child:
    """A process that `up` starts, in a group of its own: Ctrl-C reaches `up`, which then stops its children in order.

    ``before_restart`` begins a task before each start but the first.
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
        """How it ended; None while it runs."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"exit code {self._process.returncode}"

    def start(self) -> bool:
        """Start it. False: what comes before a restart is not finished; call again soon."""
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
            # What it had started (code servers, runs) does not outlive it.
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
        """Ask it to end, as Ctrl-C does."""
        if self._task is not None:
            self._task.cancel()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)

    def end(self) -> None:
        """Wait until it ended, and end by force what does not end in time."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            end_group(self._process.pid)
            self._process.wait()


def stop(children: Sequence[Child]) -> None:
    """End the children as Ctrl-C does, and what does not end in time by force."""
    for child in children:
        child.interrupt()
    for child in children:
        child.end()


def end_group(leader: int) -> None:
    """Kill a process with all it started (runs, code servers) and wait until they are gone: the embedded server
    stops only when nobody holds it any more."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                members.append(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    psutil.wait_procs(members, timeout=GONE_SECONDS)


def runs(pid: int | None, word: str) -> bool:
    """Whether that process lives and is ours: a pid may have gone to another program since."""
    try:
        return pid is not None and any(word in part for part in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
