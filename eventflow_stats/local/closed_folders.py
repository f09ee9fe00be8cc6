"""Folders of a deployment: closed to other users of the machine, and passable for the user of the server.

Logs and the output of runs contain client names, and a user who reaches the server's socket may ask it anything.
"""

import errno
import os
import stat
import struct
import subprocess
from contextlib import suppress
from functools import reduce
from operator import or_
from pathlib import Path
from typing import NamedTuple

from eventflow_stats.errors import Refused

MADE_HERE = frozenset({"postgres", "dagster", "logs", "up.json", "jwt_secret", ".lock", ".server.lock", ".socket"})
"""Everything that a deployment puts in its data folder. A data folder with other files keeps its mode, and only these
files in it are closed."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PASS_GROUP = stat.S_IXGRP
"""The only right of the group of a closed folder: root runs the server as a user who must pass through."""

_ACCESS_LIST = "system.posix_acl_access"
_VERSION = 2
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NOBODY = 0xFFFFFFFF
"""The id of an entry that does not name a user or group."""


class ServerUser(NamedTuple):
    """The user of the server if root starts it, because PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int

    def may_pass(self, folder: Path) -> bool:
        """Whether the user may pass through the folder, by its mode and its access list."""
        asked = ["test", "-x", str(folder)]
        return not subprocess.run(  # noqa: S603 (no shell)
            asked, user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False
        ).returncode


def close_data_folder(data_dir: Path) -> None:
    """Make the data folder if there is none, and close it and all of our files in it, also those of earlier versions.

    Raises:
        OSError: it cannot be made or written.
    """
    if not data_dir.exists():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o700, exist_ok=True)
    entries = list(data_dir.iterdir())
    for entry in entries:
        if entry.name in MADE_HERE:
            _close(entry)
    if all(entry.name in MADE_HERE for entry in entries):
        _close(data_dir)


def make_closed_folder(folder: Path) -> Path:
    """Make the folder if there is none, close it, and return it.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _close(folder)
    return folder


def _close(path: Path) -> None:
    """Close a file or folder; not one of another user, and not one that another process just removed."""
    with suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _OTHERS & ~_PASS_GROUP:
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def let_through(path: Path, user: ServerUser) -> None:
    """Let the server's user, and nobody else, through closed folders to that path, by an entry in their access lists.

    Raises:
        Refused: a folder above is closed and its file system has no access lists; the message says what helps.
    """
    for folder in reversed(path.parents):
        if user.may_pass(folder):
            continue
        try:
            _add_to_access_list(folder, user.uid)
        except (OSError, AttributeError) as error:
            # The file system has no access lists, or (macOS) none of this kind.
            raise Refused(
                f"the embedded server runs as user {user.name}, who may not pass through {folder}, and its access list "
                f"cannot be changed ({getattr(error, 'strerror', None) or error}); start as an ordinary user, allow it "
                f"with `chmod o+x {folder}`, or move to a folder that others may pass through"
            ) from error


def let_through_by_group(folder: Path, user: ServerUser) -> None:
    """Let the server's user through a folder of ours, by its group; the folder stays closed to all others."""
    if not user.may_pass(folder):
        os.chown(folder, -1, user.gid)
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | _PASS_GROUP)


def _add_to_access_list(folder: Path, uid: int) -> None:
    """Let one more user pass. The effective rights of everybody else do not change."""
    entries = _access_list(folder)
    mask = entries.pop((_MASK, _NOBODY), 7)
    of_others = {(_USER, uid): 1}
    for (kind, of), rights in entries.items():
        if kind in (_USER, _GROUP, _NAMED_GROUP):
            of_others[kind, of] = rights & mask | (1 if (kind, of) == (_USER, uid) else 0)
    entries.update(of_others)
    entries[_MASK, _NOBODY] = reduce(or_, of_others.values())
    packed = b"".join(struct.pack("<HHI", kind, rights, of) for (kind, of), rights in sorted(entries.items()))
    os.setxattr(folder, _ACCESS_LIST, struct.pack("<I", _VERSION) + packed)


def _access_list(folder: Path) -> dict[tuple[int, int], int]:
    """The rights (read 4, write 2, pass 1) by kind and id of an entry; without an access list, those of the mode."""
    try:
        packed = os.getxattr(folder, _ACCESS_LIST)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        mode = folder.stat().st_mode
        return {
            (_OWNER, _NOBODY): mode >> 6 & 7,
            (_GROUP, _NOBODY): mode >> 3 & 7,
            (_OTHER, _NOBODY): mode & 7,
        }
    return {(kind, of): rights for kind, rights, of in struct.iter_unpack("<HHI", packed[4:])}
