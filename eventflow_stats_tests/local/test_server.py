"""The embedded server: processes share it, and the last one to leave stops it, also after others were killed."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from eventflow_stats.local.server import SERVER_SETTINGS, create_database, embedded_server

ROOT = Path(__file__).parents[2]


@contextmanager
def holder(folder: Path, python: str = sys.executable, **started: object) -> "Iterator[subprocess.Popen[str]]":
    """Start a process that holds the server of ``folder`` until the end of the context, unless it is killed."""
    process = subprocess.Popen(  # type: ignore[call-overload]
        [python, "-W", "ignore", "-m", "eventflow_stats_tests.local.holder", str(folder)],
        **{"cwd": ROOT, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, **started},
    )
    with process:
        try:
            message = process.stdout.readline()
            assert message == "holding\n", message
            yield process
        finally:
            process.stdin.close()
            process.wait(60)


def postmaster(folder: Path) -> psutil.Process | None:
    """The process of the server of that data folder; None if none runs."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if (
            "-D" in words
            and words[0].endswith("/postgres")
            and words[words.index("-D") + 1] == str(folder / "postgres")
        ):
            return process if process.status() != psutil.STATUS_ZOMBIE else None
    return None


def words_written(folder: Path) -> list[str]:
    with embedded_server(folder) as url, psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM written ORDER BY 1")]


def write_word(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "written\n"


def test_two_processes_share_the_server_and_the_last_one_to_leave_stops_it(tmp_path: Path) -> None:
    with ExitStack() as second:
        with holder(tmp_path) as first:
            shared = postmaster(tmp_path)
            assert shared is not None
            other = second.enter_context(holder(tmp_path))
            assert postmaster(tmp_path) == shared
            write_word(first, "first")
        assert postmaster(tmp_path) == shared
        write_word(other, "second")
    assert postmaster(tmp_path) is None
    assert words_written(tmp_path) == ["first", "second"]
    assert postmaster(tmp_path) is None


def test_one_process_may_hold_the_server_twice(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as outer:
        with embedded_server(tmp_path) as inner:
            assert inner == outer
        with psycopg.connect(outer) as connection:
            for name, value in SERVER_SETTINGS.items():
                wanted = connection.execute("SELECT %s = current_setting(%s)", [value, name]).fetchone()
                assert wanted == (True,), name
    assert postmaster(tmp_path) is None


def test_the_server_of_a_killed_process_is_taken_over_and_stopped_by_the_next(tmp_path: Path) -> None:
    with holder(tmp_path) as killed:
        write_word(killed, "before")
        killed.kill()
        killed.wait()
    left = postmaster(tmp_path)
    assert left is not None
    with holder(tmp_path) as following:
        assert postmaster(tmp_path) == left
        write_word(following, "after")
    assert postmaster(tmp_path) is None
    assert words_written(tmp_path) == ["after", "before"]


def test_a_killed_holder_does_not_keep_the_server_running_for_ever(tmp_path: Path) -> None:
    with holder(tmp_path), holder(tmp_path) as killed:
        killed.kill()
        killed.wait()
    assert postmaster(tmp_path) is None


def test_a_killed_server_starts_again_with_everything_that_was_committed(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        write_word(process, "committed")
        server = postmaster(tmp_path)
        assert server is not None
        family = [server, *server.children(recursive=True)]
        server.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)
        process.kill()
    assert (tmp_path / "postgres" / "postmaster.pid").exists()
    assert words_written(tmp_path) == ["committed"]
    assert postmaster(tmp_path) is None


def test_a_pid_file_with_the_pid_of_another_program_is_ignored(tmp_path: Path) -> None:
    """As after a restart of the machine: the file is still there, and another program has its pid."""
    with holder(tmp_path) as process:
        write_word(process, "committed")
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{tmp_path / 'postgres'}\n1\n5432\n{tmp_path}\n\n0 0\nready\n")

    assert words_written(tmp_path) == ["committed"]
    assert psutil.pid_exists(os.getpid())


def test_a_server_that_was_just_killed_starts_again(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        write_word(process, "committed")
        server = postmaster(tmp_path)
        assert server is not None
        process.kill()
        process.wait()
        server.send_signal(signal.SIGKILL)

        assert words_written(tmp_path) == ["committed"]


def test_two_processes_may_create_one_database_at_the_same_time(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as url:

        def create(_number: int) -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                create_database(connection, "dagster")

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(create, range(8)))


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    folder = tmp_path / ("deep-" * 12) / ("deeper-" * 8)
    assert len(str(folder)) > 110
    with holder(folder) as process:
        write_word(process, "deep")
    assert words_written(folder) == ["deep"]
    assert postmaster(folder) is None


def _python_of_everyone() -> str | None:
    """An interpreter that a user without rights may run and that can import this one's packages."""
    names = (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    for name in names:
        try:
            done = subprocess.run(
                [name, "-c", "import sysconfig; print(sysconfig.get_config_var('SOABI'))"],
                user="nobody", cwd="/", capture_output=True, text=True, check=False,
            )  # fmt: skip
        except OSError:
            continue
        if done.stdout.strip() == sysconfig.get_config_var("SOABI"):
            return name
    return None


@pytest.fixture
def home_of_nobody() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nobody-"))
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    yield folder
    shutil.rmtree(folder)


PYTHON = _python_of_everyone() if os.geteuid() == 0 else None

if PYTHON is not None:

    def test_an_ordinary_user_runs_the_server_as_itself(home_of_nobody: Path) -> None:
        packages = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
        with holder(
            home_of_nobody / "data",
            str(PYTHON),
            user="nobody",
            cwd=home_of_nobody,
            env={"HOME": str(home_of_nobody), "PATH": os.environ["PATH"], "PYTHONPATH": packages},
        ) as process:
            server = postmaster(home_of_nobody / "data")
            assert server is not None
            assert server.username() == "nobody"
            write_word(process, "mine")
        assert postmaster(home_of_nobody / "data") is None


def test_the_servers_log_is_one_file_for_each_day_of_the_week(tmp_path: Path) -> None:
    names = "log_truncate_on_rotation", "log_rotation_age", "log_filename"
    with embedded_server(tmp_path / "data") as url, psycopg.connect(url) as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
        (current,) = connection.execute("SELECT pg_current_logfile()").fetchone() or ("",)
        (day,) = connection.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'Dy')").fetchone() or ("",)
    assert shown == [("on",), ("1d",), ("postgresql-%a.log",)]
    assert current == f"logs/postgresql-{day}.log"
    log = tmp_path / "data" / "postgres" / current
    assert "starting PostgreSQL" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
