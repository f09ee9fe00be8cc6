"""Restarts of the processes of a deployment: one that ends is started again alone, after a growing pause."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from eventflow_stats.errors import EventflowError
from eventflow_stats.local.server import join_server, server_pid

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY_SECONDS = 300.0
"""A process that ran for so long before it ended did not fail at its start."""

Report = Callable[[str, str], None]
"""Called with the name of the process that ended, and one line."""


class Process(Protocol):
    """One process of a deployment."""

    name: str
    log: Path

    def ended(self) -> str | None:
        """How it ended, such as its exit code; None while it runs."""

    def start(self) -> bool:
        """Start it, or start it again. False: it needs more time; call again soon.

        Raises:
            EventflowError: it cannot be started.
        """


class EmbeddedServer:
    """The embedded PostgreSQL, which `up` finds running. A Dagster run may start it again before `up` does."""

    name = "postgresql"

    def __init__(self, data_dir: Path) -> None:
        self.log = data_dir / "postgres" / "log"
        self._data_dir = data_dir
        self._pid = server_pid(data_dir)

    def ended(self) -> str | None:
        return None if self._pid is not None and server_pid(self._data_dir) == self._pid else f"process {self._pid}"

    def start(self) -> bool:
        # Also if another process has started it: this one must hold the server that it stops at the end.
        join_server(self._data_dir)
        self._pid = server_pid(self._data_dir)
        return True


class Supervised:
    """A running process that :meth:`restart_if_ended` starts again when it has ended."""

    def __init__(self, process: Process, report: Report) -> None:
        self._process, self._report = process, report
        self._started = time.monotonic()
        self._pause = 0.0
        self._due: float | None = None

    def restart_if_ended(self) -> bool:
        """Start the process again if it has ended and its pause is over; returns whether it was started."""
        now = time.monotonic()
        if self._due is None:
            how = self._process.ended()
            if how is not None:
                self._wait(f"ended by itself ({how})")
            return False
        if now < self._due:
            return False
        self._started = now
        try:
            if not self._process.start():
                return False
        except (EventflowError, OSError) as error:
            self._wait(f"could not be started again: {error}")
            return False
        self._due = None
        return True

    def _wait(self, event: str) -> None:
        now = time.monotonic()
        self._pause = next_pause(self._pause, now - self._started)
        self._due = now + self._pause
        name = self._process.name
        self._report(name, f"{name} {event}; it is started again in {self._pause:g} s; see {self._process.log}")


def next_pause(last: float, lived: float) -> float:
    """Seconds to wait before a restart.

    Parameters: ``last``: the pause before the previous start, 0 for none; ``lived``: how many seconds the process ran.
    """
    if not last or lived >= STEADY_SECONDS:
        return FIRST_PAUSE
    return min(2 * last, LONGEST_PAUSE)
