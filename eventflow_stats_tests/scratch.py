"""Chooses the folder for the data of the tests' servers."""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108
ROOM_BYTES = 4 * 1024**3


def scratch_folder() -> Path | None:
    """Return a folder in memory if there is enough of it, else None, which means the usual temporary folder.

    A database has about 400 files, created and deleted for every test. On ext4 that is five to fifteen times as slow,
    because ext4 does not use an inode again that was freed in the last seconds, and searches for another one by one.
    """
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    return MEMORY if has_room else None
