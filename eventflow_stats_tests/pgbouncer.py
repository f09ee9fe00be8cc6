"""Starts Debian's pgbouncer before a server, as an ordinary system user, because it refuses to run as root."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from eventflow_stats_tests.running import wait_until
from eventflow_stats_tests.scratch import scratch_folder

PROGRAM = "/usr/sbin/pgbouncer"
PASSWORD = "right"


@contextmanager
def pgbouncer(host: str, port: int, user: str, database: str, **options: object) -> Iterator[str]:
    """Yield the URL of a pooler in session mode with these options (pgbouncer.ini). It has its own user."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=scratch_folder()))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listening = probe.getsockname()[1]
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": listening,
        "unix_socket_dir": "",
        "auth_type": "plain",
        "auth_file": folder / "users",
        "pool_mode": "session",
        **options,
    }
    lines = ["[databases]", f"{database} = host={host} port={port} user={user}", "[pgbouncer]"]
    (folder / "pgbouncer.ini").write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in settings.items())]))
    (folder / "users").write_text(f'"{user}" "{PASSWORD}"\n')
    as_user = "postgres" if os.geteuid() == 0 else None
    if as_user is not None:
        owner = pwd.getpwnam(as_user)
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    log = (folder / "log").open("wb")
    process = subprocess.Popen([PROGRAM, folder / "pgbouncer.ini"], user=as_user, stdout=log, stderr=log)
    try:
        url = f"postgresql://{user}:{PASSWORD}@127.0.0.1:{listening}/{database}"
        wait_until(lambda: _listens(listening), 60, "pgbouncer to listen")
        yield url
    finally:
        process.terminate()
        process.wait(60)
        log.close()
        shutil.rmtree(folder)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def parts(url: str) -> tuple[str, int, str, str]:
    """Return host (a socket's folder), port, user and database of a server's URL."""
    known = psycopg.conninfo.conninfo_to_dict(url)
    return str(known["host"]), int(known.get("port") or 5432), str(known["user"]), str(known["dbname"])
