"""When this process and this machine last sent each alert, for the time in which the database cannot record it.

A database that is away or read-only suppresses no alert. Without this memory every process would send it again.
"""

import fcntl
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

FILE = "alerts.json"
RECENT = timedelta(hours=1)
"""An alert that was sent within this time is not sent again."""
FORGOTTEN_AFTER = timedelta(days=1)
Times = dict[str, datetime | None]
"""When (UTC) an alert was printed (``printed_at``) and posted (``posted_at``)."""


@dataclass
class SentAlert:
    """One alert in the memory of this process; ``raised``: how often since it was last sent.

    ``unrecorded``: it was sent, and the table does not have that yet.
    """

    raised: int = 0
    printed_at: datetime | None = None
    posted_at: datetime | None = None
    unrecorded: bool = False

    def times(self) -> Times:
        return {"printed_at": self.printed_at, "posted_at": self.posted_at}


@dataclass(frozen=True)
class DueAlert:
    """Which ways a raised alert has to be sent, if any, and how often it was raised since it was last sent."""

    raised: int
    to_print: bool
    to_post: bool


_sent: dict[str, SentAlert] = {}
_guard = threading.Lock()


def claim_alert(key: str, has_webhook: bool, folder: Path | None) -> DueAlert:
    """What is due by the memory of this process and machine, which then takes it as sent: another thread or process may
    raise the same alert at this moment. ``note_sent`` then corrects it."""
    with _file_memory(folder) as memory, _guard:
        alert, known = _sent.setdefault(key, SentAlert()), memory.get(key, {})
        alert.raised += 1
        alert.printed_at = alert.printed_at or known.get("printed_at")
        alert.posted_at = alert.posted_at or known.get("posted_at")
        now = datetime.now(UTC)
        due = DueAlert(alert.raised, not _is_recent(alert.printed_at), has_webhook and not _is_recent(alert.posted_at))
        alert.printed_at = now if due.to_print else alert.printed_at
        alert.posted_at = now if due.to_post else alert.posted_at
        memory[key] = alert.times()
        return due


def note_sent(key: str, due: DueAlert, posted: bool) -> None:
    """Remember in this process that an alert was sent as it was due, and whether the webhook accepted it."""
    now = datetime.now(UTC)
    with _guard:
        alert = _sent.setdefault(key, SentAlert())
        if due.to_print:
            alert.printed_at = now
        if due.to_post:
            alert.posted_at = now if posted else None
        if due.to_print or posted:
            alert.raised, alert.unrecorded = 0, True


def share_sent(key: str, folder: Path | None) -> None:
    """Give the other processes of this machine what this one remembers of an alert."""
    with _file_memory(folder) as memory, _guard:
        memory[key] = _sent[key].times()


def unrecorded_times(key: str) -> Times:
    """When this process sent an alert that the table does not have; both None where there is nothing to add."""
    with _guard:
        alert = _sent.get(key)
        return alert.times() if alert is not None and alert.unrecorded else SentAlert().times()


def note_recorded(key: str) -> None:
    """Remember that the table has everything about an alert."""
    with _guard:
        _sent.setdefault(key, SentAlert()).unrecorded = False


def _is_recent(at: datetime | None) -> bool:
    return at is not None and datetime.now(UTC) - at < RECENT


@contextmanager
def _file_memory(folder: Path | None) -> Iterator[dict[str, Times]]:
    """The times of all alerts by key, in a locked file; changes are saved. Empty and not saved where the folder cannot
    be used."""
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


def _read(file: IO[str]) -> dict[str, Times]:
    file.seek(0)
    try:
        stored = json.loads(file.read() or "{}")
        memory = {
            key: {way: at and datetime.fromisoformat(at) for way, at in ways.items()} for key, ways in stored.items()
        }
    except (ValueError, AttributeError, TypeError):
        # The process was killed while it wrote, or the file is another program's.
        return {}
    oldest = datetime.now(UTC) - FORGOTTEN_AFTER
    return {key: ways for key, ways in memory.items() if any(at and at > oldest for at in ways.values())}
