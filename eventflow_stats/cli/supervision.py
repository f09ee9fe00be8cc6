"""What ends by itself in a running deployment is started again, alone, after a pause that grows; and is reported."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from eventflow_stats.errors import EventflowError
from eventflow_stats.local.server import join_server, server_pid

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY_SECONDS = 300.0
"""What ran for so long and then ended did not fail to start."""

Report = Callable[[str, str], None]
"""Called with the name of what ended, and one line."""


class Process(Protocol):
    """One process of a deployment, or what counts as one."""

    name: str
    log: Path

    def ended(self) -> str | None:
        """How it ended; None while it runs."""

    def start(self) -> bool:
        """Start it, or start it again. False: it takes more time; call again soon, and look after others meanwhile.

        Raises:
            EventflowError: it cannot be started.
        """


class EmbeddedServer:
    """The embedded PostgreSQL, which runs when `up` comes to it. A run may be quicker to start it again."""

    name = "postgresql"

    def __init__(self, data_dir: Path) -> None:
        self.log = data_dir / "postgres" / "log"
        self._data_dir = data_dir
        self._pid = server_pid(data_dir)

    def ended(self) -> str | None:
        return None if self._pid is not None and server_pid(self._data_dir) == self._pid else f"process {self._pid}"

    def start(self) -> bool:
        # Also where another process was quicker: this one has to know the server that it stops in the end.
        join_server(self._data_dir)
        self._pid = server_pid(self._data_dir)
        return True


class Supervised:
    """A running process that :meth:`look` starts again when it has ended."""

    def __init__(self, process: Process, report: Report) -> None:
        self._process, self._report = process, report
        self._started = time.monotonic()
        self._pause = 0.0
        self._due: float | None = None

    def look(self) -> bool:
        """Start the process again if it ended and its pause is over; True when that was done."""
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

    def _wait(self, what: str) -> None:
        now = time.monotonic()
        self._pause = next_pause(self._pause, now - self._started)
        self._due = now + self._pause
        name = self._process.name
        self._report(name, f"{name} {what}; it is started again in {self._pause:g} s; see {self._process.log}")


def next_pause(last: float, lived: float) -> float:
    """Seconds to wait before a process is started again that lived for so many seconds; ``last`` is the pause before
    that, 0 for none."""
    if not last or lived >= STEADY_SECONDS:
        return FIRST_PAUSE
    return min(2 * last, LONGEST_PAUSE)
