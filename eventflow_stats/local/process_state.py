"""Whether a process still runs."""

from contextlib import suppress

import psutil


def lives(pid: int) -> bool:
    """Whether that process runs: one that ended and that nobody asked about does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
