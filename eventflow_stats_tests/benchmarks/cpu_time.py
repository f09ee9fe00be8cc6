"""Measures CPU seconds, user and system, of processes. They depend little on the load of the machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from eventflow_stats.engine.postgres.database import Database


@dataclass
class Cpu:
    """CPU seconds of a block: of this Python process with its ended children, and of the server with all backends."""

    python: float = 0.0
    server: float = 0.0

    @property
    def seconds(self) -> float:
        return self.python + self.server


def server_process(database: Database) -> psutil.Process:
    """Return the parent process of the embedded server of ``database``."""
    with database.login_session() as connection:
        folder = connection.exec_driver_sql("SHOW data_directory").scalar_one()
    pid = int((Path(folder) / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
    return psutil.Process(pid)


@contextmanager
def cpu_spent(server: psutil.Process) -> Iterator[Cpu]:
    """Measure a block; the yielded value is complete when the block has ended."""
    spent = Cpu()
    before = _of(psutil.Process()), _of_server(server)
    yield spent
    spent.python = _of(psutil.Process()) - before[0]
    spent.server = _of_server(server) - before[1]


def _of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _of_server(server: psutil.Process) -> float:
    # The time of a backend that ends moves to the parent's ended children. In this order no backend is counted twice.
    ended = _of(server)
    living = 0.0
    for child in server.children():
        try:
            living += _of(child)
        except psutil.NoSuchProcess:
            continue
    return ended + living
