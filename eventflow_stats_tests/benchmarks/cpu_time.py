"""CPU seconds, user and system, of processes: what a thing costs, however loaded the machine is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from eventflow_stats.engine.postgres.database import Database


@dataclass
class Cpu:
    """CPU seconds spent in a block: in this Python process (and processes it started and waited for), and in the
    server, every backend of it, ended ones included."""

    python: float = 0.0
    server: float = 0.0

    @property
    def seconds(self) -> float:
        return self.python + self.server


def server_process(database: Database) -> psutil.Process:
    """The parent process of the embedded server behind ``database``."""
    with database.login_session() as connection:
        folder = connection.exec_driver_sql("SHOW data_directory").scalar_one()
    pid = int((Path(folder) / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
    return psutil.Process(pid)


@contextmanager
def cpu_spent(server: psutil.Process) -> Iterator[Cpu]:
    """Measure a block; the figure is complete once the block has ended."""
    spent = Cpu()
    before = _of(psutil.Process()), _of_server(server)
    yield spent
    spent.python = _of(psutil.Process()) - before[0]
    spent.server = _of_server(server) - before[1]


def _of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _of_server(server: psutil.Process) -> float:
    # A backend that ends moves from the living to the parent's ended children: asked for in this order, none is
    # counted twice.
    ended = _of(server)
    living = 0.0
    for child in server.children():
        try:
            living += _of(child)
        except psutil.NoSuchProcess:
            continue
    return ended + living
