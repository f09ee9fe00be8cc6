"""Alerts among the lines of a log that another process writes."""

import json
from pathlib import Path


class AlertLines:
    """Reads the alerts that are appended to a log file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = log.stat().st_size if log.exists() else 0

    def new(self) -> list[str]:
        """The alerts among the lines that were finished since the last call."""
        try:
            with self._log.open("rb") as log:
                # It is shorter than before, so it was emptied or replaced.
                if self._log.stat().st_size < self._read:
                    self._read = 0
                log.seek(self._read)
                added = log.read()
        except OSError:
            return []
        # The next call reads the rest of a line that is still being written.
        finished = added[: added.rfind(b"\n") + 1]
        self._read += len(finished)
        return [line for line in finished.decode(errors="replace").splitlines() if is_alert(line)]


def is_alert(line: str) -> bool:
    """Whether a line is an alert: a JSON object with the key ``alert``."""
    if not line.startswith('{"alert":'):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
