"""Acts as another user of the machine, to try what it can read. Tests that need one are marked `second_user`."""

import multiprocessing
import os
import pwd
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

STRANGER = "nobody"
ORDINARY = "daemon"
"""A user without rights who runs a deployment."""


def as_user(name: str, work: Callable[..., Any], *given: Any) -> Any:
    """Call ``work`` as this user in a child process; returns what it returned, or raises what it raised."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_work_as, args=(name, there, work, given))
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads. This child only does its work and ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    there.close()
    try:
        outcome = here.recv()
    finally:
        process.join()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _work_as(name: str, answer: Any, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.environ["HOME"] = "/"
    try:
        outcome = work(*given)
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        outcome = error
    answer.send(outcome)


def everything_below(folder: Path) -> list[Path]:
    """Return the folder and everything in it, as root sees it."""
    return [folder, *sorted(path for path in folder.rglob("*") if not path.is_symlink())]


def readable(paths: list[Path]) -> list[Path]:
    """Return the paths that the calling user can read, list or write."""
    return [path for path in paths if any(map(_works, (_read, _write), (path, path)))]


def _works(tried: Callable[[Path], object], path: Path) -> bool:
    try:
        tried(path)
    except OSError:
        return False
    return True


def _read(path: Path) -> None:
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    elif path.is_dir():
        list(path.iterdir())
    else:
        path.open("rb").close()


def _write(path: Path) -> None:
    if path.is_dir():
        (path / "mine").touch()
    elif not path.is_socket():
        path.open("ab").close()


def answer_of(url: str) -> str:
    """Return the role that the server gives the calling user; raises psycopg.OperationalError when it is refused."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        (found,) = connection.execute("SELECT current_user").fetchone() or ("",)
    return str(found)
