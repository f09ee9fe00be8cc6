"""The files of a report: checked before the verification starts, and written in one piece when it is done.

Every command imports this module, so pandas and matplotlib are imported only when a report is made.
"""

import csv
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.verification.verify import VerifiedDay
from eventflow_stats.errors import Failed, InvalidInput, Refused
from eventflow_stats.reports.csv_form import HEADER, csv_rows
from eventflow_stats.reports.verified_days import Verified

ENDINGS = (".html", ".md", ".csv")
MOST_IN_CSV = 1_000_000
"""The largest number of wrong and stale groups of one day in a CSV file."""


class ReportFiles:
    """The report files that were asked for. A context manager: it collects the rows of verified days for the CSV form.

    Raises:
        InvalidInput: a file name with another ending.
        Refused: a file that cannot be written, found by writing a file beside it.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(dict.fromkeys(paths))
        for path in self.paths:
            if path.suffix.lower() not in ENDINGS:
                raise InvalidInput(f"--report {path}: a report is .html, .md or .csv, by the file's ending")
        for path in self.paths:
            _refuse_unwritable(path)
        self._open = ExitStack()
        self._rows: IO[str] | None = None
        if any(path.suffix.lower() == ".csv" for path in self.paths):
            # Rows go to a file without a name as days are verified, so a killed process leaves no file.
            self._rows = self._open.enter_context(_nameless())
            csv.writer(self._rows).writerow(HEADER)

    def __enter__(self) -> "ReportFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def most_named(self) -> int | None:
        """How many groups of a day these files need; None: the default of verify."""
        return MOST_IN_CSV if self._rows is not None else None

    def add(self, day: VerifiedDay) -> None:
        """Collect the rows of a day that was just verified.

        Raises:
            Failed: the disk is full.
        """
        if self._rows is not None:
            with _failing("the report's rows"):
                csv.writer(self._rows).writerows(csv_rows(day))

    def write(self, database: Database, verified: Verified) -> None:
        """Write every file, each in one piece: an older report stays until the new one is complete.

        Raises:
            Failed: a file could not be written.
            Refused: no connection or not migrated.
        """
        people = [path for path in self.paths if path.suffix.lower() != ".csv"]
        if people:
            from eventflow_stats.reports.html import as_html
            from eventflow_stats.reports.markdown import as_markdown
            from eventflow_stats.reports.report_data import read_report

            report = read_report(database, verified)
        for path in self.paths:
            with _failing(str(path)):
                if self._rows is not None and path.suffix.lower() == ".csv":
                    self._rows.seek(0)
                    _write_whole(path, self._rows)
                else:
                    form = as_html if path.suffix.lower() == ".html" else as_markdown
                    _write_whole(path, [form(report)])


def _refuse_unwritable(path: Path) -> None:
    if path.is_dir():
        raise Refused(f"--report {path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise Refused(f"--report {path} is not an ordinary file; name another")
    try:
        with _beside(path.resolve()) as (_, part):
            part.unlink()
    except OSError as error:
        raise Refused(
            f"--report {path} cannot be written: {error.strerror}; name a file in a folder that you may write"
        ) from None
    if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise Refused(f"--report {path} is write-protected; name another file")


def _write_whole(path: Path, parts: "Iterator[str] | Sequence[str] | IO[str]") -> None:
    # A symbolic link stays a link.
    target = path.resolve()
    with _beside(target) as (file, part):
        for text in parts:
            file.write(text)
        file.flush()
        os.fsync(file.fileno())
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)


@contextmanager
def _nameless() -> Iterator[IO[str]]:
    with tempfile.TemporaryFile("w+", newline="", encoding="utf-8") as file:
        yield file


@contextmanager
def _beside(target: Path) -> Iterator[tuple[IO[str], Path]]:
    """A new file in the target's folder, deleted at the end unless it was renamed."""
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("x", newline="", encoding="utf-8") as file:
            yield file, part
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Turn an error of the operating system into one line."""
    try:
        yield
    except OSError as error:
        raise Failed(
            f"{what} could not be written: {error.strerror}; an older file is unchanged, and the ledger has the result"
        ) from error
