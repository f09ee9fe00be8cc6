"""Starts Debian's PostgreSQL 15: TCP, a password, an ordinary system user."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from eventflow_stats_tests.scratch import scratch_folder

BINARIES = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "p@ss/word"


@contextmanager
def debian_server(auth: str = "scram-sha-256", environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the URL of a new PostgreSQL 15 with an empty database ``eventflow``; it is removed afterwards.

    ``auth`` is its authentication: by password, or ``trust`` for tests that create login roles. ``environment`` is
    added to that of its processes.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres15-", dir=scratch_folder()))
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)

    def run(program: str, *words: str) -> None:
        around = {**os.environ, **(environment or {})}
        command = [str(BINARIES / program), *words]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=around)

    secret = folder / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data = str(folder / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run("initdb", "-D", data, "-U", "owner", f"--auth={auth}", f"--pwfile={secret}", "--encoding=UTF8")
    options = f"-p {port} -k {folder} -c max_prepared_transactions=20 -c fsync=off"
    run("pg_ctl", "-w", "-D", data, "-l", str(folder / "log"), "-o", options, "start")
    try:
        subprocess.run(
            [BINARIES / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "owner", "eventflow"],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            check=True,
        )
        yield f"postgresql://owner:p%40ss%2Fword@127.0.0.1:{port}/eventflow"
    finally:
        run("pg_ctl", "-w", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)
