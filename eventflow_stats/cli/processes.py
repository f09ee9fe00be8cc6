"""The processes that `up` runs: started in groups of their own, watched, stopped with all they started."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import psutil

from eventflow_stats.errors import EventflowError

STOP_SECONDS = 20
GONE_SECONDS = 5

Children = dict[str, "subprocess.Popen[bytes]"]


def spawn(command: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a process in a group of its own: Ctrl-C reaches this process, which then stops the children in order."""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (our own command)
            command,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def require_alive(children: Children, logs: Path) -> None:
    """Every child still runs.

    Raises:
        EventflowError: one ended; the line names it and its log.
    """
    for name, child in children.items():
        if child.poll() is not None:
            raise EventflowError(f"{name} ended by itself (exit code {child.returncode}); see {logs / name}.log")


def stop(children: Children) -> None:
    """End the children as Ctrl-C does, and what does not end in time by force."""
    for child in children.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)
    for child in children.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)
        end_group(child.pid)
        child.wait()


def end_group(leader: int) -> None:
    """Kill a process with all it started (runs, code servers) and wait until they are gone: the embedded server
    stops only when nobody holds it any more."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                members.append(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    psutil.wait_procs(members, timeout=GONE_SECONDS)


def runs(pid: int | None, word: str) -> bool:
    """Whether that process lives and is ours: a pid may have gone to another program since."""
    try:
        return pid is not None and any(word in part for part in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
