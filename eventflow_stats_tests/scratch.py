"""Where the data of servers lies that are thrown away after the tests."""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108
ROOM_BYTES = 4 * 1024**3


def scratch_folder() -> Path | None:
    """Memory, where there is enough of it; None: where temporary files usually lie.

    A database is some 400 files, made and deleted for every test. On ext4 that is five to fifteen times as slow: it
    takes no inode again that was freed in the last seconds, and looks for another one by one.
    """
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    return MEMORY if has_room else None
