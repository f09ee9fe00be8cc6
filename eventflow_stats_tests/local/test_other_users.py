"""Other users of the machine can read no file and reach no socket of a deployment."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from eventflow_stats.errors import Refused
from eventflow_stats.local.closed_folders import ServerUser, let_through
from eventflow_stats.local.server import embedded_server
from eventflow_stats_tests.cli.command import started
from eventflow_stats_tests.second_user import ORDINARY, STRANGER, answer_of, as_user, everything_below, readable

pytestmark = pytest.mark.second_user

LONG = Path(*["a-folder-with-a-long-name"] * 5)
"""Too long for the path of a socket."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter and read."""
    folder = Path(tempfile.mkdtemp(prefix="others-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["short", "long"])
def data(request: pytest.FixtureRequest, place: Path) -> Path:
    folder = place / LONG if request.param == "long" else place
    folder.mkdir(parents=True, exist_ok=True)
    for above in [folder, *folder.parents]:
        if place in above.parents:
            above.chmod(0o755)
    return folder / "data"


def socket_of(url: str) -> Path:
    return Path(url.partition("?host=")[2]) / ".s.PGSQL.5432"


def assert_closed(data: Path, url: str) -> None:
    """Check that another user can read or reach nothing. Root can, so everything is there."""
    found = [*everything_below(data), *everything_below(socket_of(url).parent)]
    assert readable(found) == found
    assert socket_of(url) in found
    assert as_user(STRANGER, readable, found) == []
    with pytest.raises(psycopg.OperationalError):
        as_user(STRANGER, answer_of, url)


def test_a_deployment_that_root_started_is_closed(data: Path) -> None:
    up = started(data.parent, "up", "--port", "3997")
    try:
        assert up.stdout is not None
        lines = [up.stdout.readline() for _ in range(2)]
        assert "Dagster UI" in lines[-1], (lines, up.poll())
        with embedded_server(data) as url:
            assert answer_of(url) == "postgres"
            assert_closed(data, url)
        logs = [path for path in everything_below(data / "logs") if path.is_file()]
        assert logs
        # The logs are closed themselves, not only their folder.
        assert {stat.S_IMODE(log.stat().st_mode) for log in logs} == {0o600}
    finally:
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=60)


def hold_and_wait(data: Path, url_end: int, wait: int) -> None:
    with embedded_server(data) as url:
        os.write(url_end, url.encode())
        os.read(wait, 1)


def test_a_deployment_that_an_ordinary_user_started_is_closed(data: Path) -> None:
    user = pwd.getpwnam(ORDINARY)
    os.chown(data.parent, user.pw_uid, user.pw_gid)
    asked, url_end = os.pipe()
    wait, leave = os.pipe()
    holder = os.fork()
    if not holder:
        try:
            as_user(ORDINARY, hold_and_wait, data, url_end, wait)
        finally:
            os._exit(0)
    try:
        os.close(url_end)
        url = os.read(asked, 1000).decode()
        assert url, "the server did not start"
        assert (data / "postgres" / "PG_VERSION").stat().st_uid == user.pw_uid
        assert as_user(ORDINARY, answer_of, url) == "postgres"
        assert answer_of(url) == "postgres"
        assert_closed(data, url)
    finally:
        os.write(leave, b"x")
        os.waitpid(holder, 0)
        for end in (asked, wait, leave):
            os.close(end)
    assert not socket_of(url).exists()


def test_a_user_who_reaches_the_socket_cannot_log_in(data: Path) -> None:
    with embedded_server(data) as url:
        for folder in (data, data / "postgres", socket_of(url).parent):
            folder.chmod(0o777)
        with pytest.raises(psycopg.OperationalError, match=r"(?i)peer authentication failed"):
            as_user(STRANGER, answer_of, url)
        assert answer_of(url) == "postgres"
        socket_of(url).parent.chmod(0o700)
        (data / "postgres").chmod(0o700)


def test_the_next_start_closes_what_an_earlier_version_left_open(place: Path) -> None:
    data = place / "data"
    with embedded_server(data):
        pass
    (data / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
    for name in ("logs", "dagster"):
        (data / name).mkdir()
        (data / name / "of-a-client.log").write_text("a client's name")
    (data / "jwt_secret").write_text("a secret")
    for path in everything_below(data):
        if data / "postgres" not in (path, *path.parents):
            path.chmod(0o755)
    assert as_user(STRANGER, readable, [data / "logs" / "of-a-client.log"])
    with embedded_server(data) as url:
        assert_closed(data, url)
        # A folder with files of somebody else keeps its mode; our files in it are closed.
        (data / "of-somebody-else").write_text("not ours")
        for path in (data, data / "logs", data / "jwt_secret"):
            path.chmod(0o755)
        with embedded_server(data):
            assert as_user(STRANGER, readable, everything_below(data)) == [data, data / "of-somebody-else"]


def test_closed_folders_above_the_data_stay_closed(place: Path) -> None:
    above = place / "home"
    (above / "project").mkdir(parents=True)
    for folder in (above, above / "project"):
        folder.chmod(0o700)
    with embedded_server(above / "project" / "data") as url:
        assert answer_of(url) == "postgres"
        for folder in (above, above / "project"):
            assert not stat.S_IMODE(folder.stat().st_mode) & stat.S_IRWXO
            assert as_user(STRANGER, os.access, folder, os.X_OK) is False
            assert as_user(STRANGER, os.access, folder, os.R_OK) is False
            assert as_user("pgserver", os.access, folder, os.X_OK) is True
            assert as_user("pgserver", os.access, folder, os.R_OK) is False
    with embedded_server(above / "project" / "data") as url:
        assert answer_of(url) == "postgres"


def test_the_rights_in_an_existing_access_list_do_not_change(place: Path) -> None:
    """A folder has an access list and is closed by its mode: it stays closed to all but the server's user."""
    above = place / "home"
    above.mkdir(mode=0o700)
    stranger = pwd.getpwnam(STRANGER)
    let_through(above / "data", ServerUser(STRANGER, stranger.pw_uid, stranger.pw_gid))
    assert as_user(STRANGER, os.access, above, os.X_OK) is True
    above.chmod(0o700)
    with embedded_server(above / "data") as url:
        assert answer_of(url) == "postgres"
        assert as_user(STRANGER, os.access, above, os.X_OK) is False


def test_a_closed_folder_on_a_file_system_without_access_lists_is_refused_in_one_line(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "ramfs", closed], check=True)
    try:
        closed.chmod(0o700)
        (closed / "above").mkdir()
        with pytest.raises(Refused, match=f"chmod o\\+x {closed}`") as refused, embedded_server(closed / "above" / "d"):
            pass
        assert "\n" not in str(refused.value)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        closed.chmod(0o711)
        with embedded_server(closed / "above" / "d") as url:
            assert answer_of(url) == "postgres"
            assert_closed(closed / "above" / "d", url)
    finally:
        subprocess.run(["umount", "--lazy", closed], check=True)


@pytest.mark.parametrize("name", ["한국어", "all of: ' \" $HOME `id` a,b 100%20 a+b&c\\"])
def test_a_path_may_have_characters_that_are_special_in_a_shell_a_list_or_a_url(place: Path, name: str) -> None:
    with embedded_server(place / name / "data") as url:
        assert answer_of(url) == "postgres"
        assert_closed(place / name / "data", url)
    assert not socket_of(url).exists()
