"""What the processes of this machine told of alerts, kept in a file for as long as the database cannot remember it.

A database that is read-only, or away, keeps no alert from being told, and would be told of by every process anew.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

FILE = "alerts.json"
FORGOTTEN_AFTER = timedelta(days=1)
Memory = dict[str, dict[str, datetime | None]]
"""By alert: when (UTC) it was printed and posted."""


@contextmanager
def shared_memory(folder: Path | None) -> Iterator[Memory]:
    """The memory, locked; what is changed in it is kept. Where the folder cannot be used it is empty, and forgotten."""
    file = None
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / FILE).open("a+", encoding="utf-8")
    if file is None:
        yield {}
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        memory = _read(file)
        yield memory
        with suppress(OSError):
            file.seek(0)
            file.truncate()
            json.dump(memory, file, default=datetime.isoformat)


def _read(file: IO[str]) -> Memory:
    file.seek(0)
    try:
        stored = json.loads(file.read() or "{}")
        memory = {
            key: {way: at and datetime.fromisoformat(at) for way, at in ways.items()} for key, ways in stored.items()
        }
    except (ValueError, AttributeError, TypeError):
        # Cut off in the middle of writing, or another's.
        return {}
    oldest = datetime.now(UTC) - FORGOTTEN_AFTER
    return {key: ways for key, ways in memory.items() if any(at and at > oldest for at in ways.values())}
