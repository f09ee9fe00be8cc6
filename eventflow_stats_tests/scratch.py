"""The folder for the data of servers that are deleted after the tests."""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108
ROOM_BYTES = 4 * 1024**3


def scratch_folder() -> Path | None:
    """Memory, if there is enough of it; None: the usual place of temporary files. A database is some 400 files,
    created and deleted for every test. On ext4 that is five to fifteen times as slow: it does not reuse an inode
    that was freed in the last seconds, and searches for another one by one."""
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    return MEMORY if has_room else None
