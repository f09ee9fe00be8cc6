"""Whether a process still runs."""

from contextlib import suppress

import psutil


def lives(pid: int) -> bool:
    """Whether a process with that id runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
