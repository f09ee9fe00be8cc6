"""Where a report may be written. It is written in one piece or not at all."""

import os
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import Failed, InvalidInput, Refused
from eventflow_stats.reports.files import ReportFiles
from eventflow_stats.reports.verified_days import Verified
from eventflow_stats_tests.cli.command import one_line, started
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.reports.conftest import FIRST, LAST

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Continue as a user without rights, because root may write anywhere."""
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


def test_a_report_is_refused_before_the_long_work(call: Call, own: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    os.mkfifo(tmp_path / "pipe.md")
    for report, code, message in (
        ("report.pdf", 2, "a report is .html, .md or .csv, by the file's ending"),
        ("report", 2, "a report is .html, .md or .csv"),
        ("folder.html", 3, "is a folder; name a file in it"),
        ("pipe.md", 3, "is not an ordinary file"),
        ("nowhere/report.csv", 3, "cannot be written: No such file or directory"),
        ("pipe.md/report.csv", 3, "cannot be written: Not a directory"),
    ):
        done = call("verify", f"--report={tmp_path / 'right.md'}", f"--report={tmp_path / report}", **own)
        assert (done[0], done[1], message in one_line(done[2])) == (code, "", True), done
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.html", "pipe.md"]
    with psycopg.connect(own["EVENTFLOW_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM eventflow_stats.days").fetchone() == (0,)


def test_a_read_only_folder_or_file_is_refused() -> None:
    # Not below pytest's own folder, which other users may not enter.
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        locked, ours = Path(made, "locked"), Path(made, "ours")
        locked.mkdir()
        ours.mkdir()
        (ours / "mine.md").write_text("mine")
        (ours / "mine.md").chmod(0o444)
        locked.chmod(0o555)
        ours.chmod(0o777)
        with as_nobody():
            with pytest.raises(Refused, match="cannot be written: Permission denied"):
                ReportFiles([locked / "report.html"])
            with pytest.raises(Refused, match="write-protected"):
                ReportFiles([ours / "mine.md"])
        assert [path.name for path in ours.iterdir()] == ["mine.md"]


def test_an_older_report_is_replaced_through_a_link_and_keeps_its_mode(database: Database, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    old, link = tmp_path / "there" / "report.md", tmp_path / "link.md"
    old.write_text("old")
    old.chmod(0o640)
    link.symlink_to(old)
    with ReportFiles([link, link]) as files:
        files.write(database, nothing_found())
    assert link.is_symlink()
    assert old.read_text().startswith("# Right")
    assert old.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in old.parent.iterdir()] == ["report.md"]


def test_a_write_that_fails_leaves_the_old_report(database: Database, tmp_path: Path) -> None:
    old = tmp_path / "report.html"
    old.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ReportFiles([old]) as files:
        # As if the disk were full after so many bytes.
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            with pytest.raises(
                Failed, match=r"report\.html could not be written: File too large; an older file is unchanged"
            ):
                files.write(database, nothing_found())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("ends_it", [signal.SIGINT, signal.SIGKILL])
def test_a_call_cut_short_leaves_the_old_report_and_no_half_one(
    own: dict[str, str], tmp_path: Path, ends_it: signal.Signals
) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "old.csv").write_text("old")
    with psycopg.connect(own["EVENTFLOW_DATABASE_URL"], autocommit=True) as busy:
        busy.execute("SELECT pg_advisory_lock(hashtext('eventflow_stats.day'), date '2026-03-02' - date '1970-01-01')")
        reports = [f"--report={folder / name}" for name in ("old.csv", "new.html")]
        call = started(tmp_path, "verify", "--from", "2026-03-01", "--to", "2026-03-02", *reports, **own)
        # The first day is verified by then.
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        while busy.execute(waits).fetchone() != (1,) and call.poll() is None:
            time.sleep(0.05)
        os.killpg(call.pid, ends_it)
        call.communicate(timeout=60)
    assert call.returncode == (130 if ends_it == signal.SIGINT else -signal.SIGKILL)
    assert [path.name for path in folder.iterdir()] == ["old.csv"]
    assert (folder / "old.csv").read_text() == "old"


def test_another_ending_is_refused_and_no_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        ReportFiles([tmp_path / "report.html", tmp_path / "report.txt"])
    assert list(tmp_path.iterdir()) == []


def nothing_found() -> Verified:
    return Verified(datetime(2026, 3, 6, tzinfo=UTC), FIRST, LAST, (), None, (), 0)
