"""Folders of a deployment: closed to the machine's other users, and the way to them for the server's own user.

Client names stand in logs and in what runs print, and whoever reaches the server's socket may ask it anything.
"""

import errno
import os
import stat
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from eventflow_stats.errors import Refused

MADE_HERE = frozenset({"postgres", "dagster", "logs", "up.json", "jwt_secret", ".lock", ".server.lock", ".socket"})
"""All that a deployment puts in its data folder. A data folder that holds anything else is somebody else's as well: it
keeps its mode, and what stands here is closed one by one."""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PASS = stat.S_IXGRP
"""All that a closed folder may leave its group: the way through, for the user that root runs the server as."""

_ACCESS_LIST = "system.posix_acl_access"
_VERSION = 2
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NOBODY = 0xFFFFFFFF
"""The id of an entry that is not about a named user or group."""


class ServerUser(NamedTuple):
    """The user that the server runs as where root starts it: PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int

    def may_pass(self, folder: Path) -> bool:
        """Whether that user may go through the folder, by mode and access list."""
        asked = ["test", "-x", str(folder)]
        return not subprocess.run(  # noqa: S603 (no shell)
            asked, user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False
        ).returncode


def close_data_folder(data_dir: Path) -> None:
    """Make the data folder if there is none, and close it and all of ours in it to others, also what an earlier
    version left open.

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


def closed_folder(folder: Path) -> Path:
    """The folder, made if there is none, and closed to others.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _close(folder)
    return folder


def _close(path: Path) -> None:
    """What another user made is that user's to close. Another process may have removed the file meanwhile."""
    with suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _OTHERS & ~_PASS:
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def give_way(path: Path, user: ServerUser) -> None:
    """Let the server's user through to that path, and nobody else: through the folder it lies in by the folder's
    group where that is the deployment's own, through closed ones above by an entry of their access lists.

    Raises:
        Refused: a folder above is closed and its file system has no access lists; the line says what would help.
    """
    for folder in reversed(path.parents):
        if user.may_pass(folder):
            continue
        try:
            _add_to_access_list(folder, user.uid)
        except (OSError, AttributeError) as error:
            # No access lists on this file system, or (macOS) none of this kind.
            raise Refused(
                f"the embedded server runs as user {user.name}, who may not pass through {folder}, and its access list "
                f"cannot be changed ({getattr(error, 'strerror', None) or error}); start as an ordinary user, allow it "
                f"with `chmod o+x {folder}`, or move to a folder that others may pass through"
            ) from error


def give_to_group(folder: Path, user: ServerUser) -> None:
    """Let the server's user through a folder of ours, which stays closed to all others."""
    if not user.may_pass(folder):
        os.chown(folder, -1, user.gid)
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | _PASS)


def _add_to_access_list(folder: Path, uid: int) -> None:
    """Let one more user pass, and leave everybody else what they effectively have now."""
    entries = _access_list(folder)
    mask = entries.pop((_MASK, _NOBODY), 7)
    of_others = {(_USER, uid): 1}
    for (kind, of), rights in entries.items():
        if kind in (_USER, _GROUP, _NAMED_GROUP):
            of_others[kind, of] = rights & mask | (1 if (kind, of) == (_USER, uid) else 0)
    entries.update(of_others)
    entries[_MASK, _NOBODY] = of_others_together = 0
    for rights in of_others.values():
        of_others_together |= rights
    entries[_MASK, _NOBODY] = of_others_together
    packed = b"".join(struct.pack("<HHI", kind, rights, of) for (kind, of), rights in sorted(entries.items()))
    os.setxattr(folder, _ACCESS_LIST, struct.pack("<I", _VERSION) + packed)


def _access_list(folder: Path) -> dict[tuple[int, int], int]:
    """Rights (read 4, write 2, pass 1) by kind and id; of a folder without a list those of its mode."""
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
