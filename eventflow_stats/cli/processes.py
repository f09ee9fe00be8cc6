"""The processes that `up` runs: started in groups of their own, stopped with all they started."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

STOP_SECONDS = 20
GONE_SECONDS = 5


class Child:
    """A process that `up` starts, in a group of its own: Ctrl-C reaches `up`, which then stops its children in order.

    ``before_restart`` is called before each start but the first.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: dict[str, str],
        log: Path,
        before_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.log = name, log
        self._command, self._environment, self._before_restart = command, environment, before_restart
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None before the first start."""
        return self._process.pid if self._process is not None else None

    def ended(self) -> str | None:
        """How it ended; None while it runs."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"exit code {self._process.returncode}"

    def start(self) -> None:
        if self._process is not None:
            # What it had started (code servers, runs) does not outlive it.
            end_group(self._process.pid)
            self._before_restart()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                self._command,
                env=self._environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-C does."""
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
