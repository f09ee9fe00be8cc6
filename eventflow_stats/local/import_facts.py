"""Import facts from CSV files: streamed, checked line by line, all or nothing, the same file twice is once."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.database import Database, driver_connection
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import InvalidInput
from eventflow_stats.local.product_tables import LOCAL_AUTHOR, require_local_facts

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
Progress = Callable[[Path, int], None]
"""Called with the file and the bytes read since the last call."""


@dataclass(frozen=True)
class FileKind:
    """What a file must and may hold; of a file of facts also the working table its rows go to and the column of their
    time. ``others_ignored``: what else it has is left out, as of an export with more columns; else it is refused."""

    table: str | None
    required: tuple[str, ...]
    optional: tuple[str, ...]
    time: str | None
    may_be_empty: frozenset[str]
    others_ignored: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)


VISITS = FileKind(
    "staged_visits",
    ("campaign", "session_id", "accessed_at"),
    (*UTM, "cid", "referrer"),
    "accessed_at",
    frozenset({"session_id"}),
    True,
)
CONVERSIONS = FileKind(
    "staged_conversions", ("campaign", "entry_id", "created_at"), (*UTM, "cid"), "created_at", frozenset(), True
)


@dataclass(frozen=True)
class Imported:
    """How many rows the files had, and how many of them were new facts."""

    visits_read: int
    visits_added: int
    conversions_read: int
    conversions_added: int


def import_facts(
    database: Database,
    client: str,
    visits: Path | None = None,
    conversions: Path | None = None,
    progress: Progress = lambda _file, _bytes: None,
) -> Imported:
    """Import visits and conversions under the client of that name, which is created if need be.

    Files are UTF-8 CSV with a header. Visits: ``session_id``, ``accessed_at``, ``campaign``;
    conversions: ``entry_id``, ``created_at``, ``campaign``; both may have ``utm_source``,
    ``utm_medium``, ``utm_campaign``, ``utm_term``, ``utm_content``, ``cid``; other columns are
    ignored. Times are ISO 8601 with an offset. An empty field is an absent value. Campaigns are
    matched by their public path and created when the client has none of that name.

    Raises:
        InvalidInput: a file or line cannot be used (file, line and reason); nothing was loaded.
        Refused: the database holds EventFlow's own facts, or cannot be reached.
    """
    if not client.strip():
        raise InvalidInput("the client's name is empty; give one with --client")
    require_local_facts(database)
    with database.login_session() as connection:
        for kind in (VISITS, CONVERSIONS):
            connection.execute(query(f"import/create_{kind.table}"))
        visits_read = _stage(connection, visits, VISITS, progress)
        conversions_read = _stage(connection, conversions, CONVERSIONS, progress)
        if not visits_read + conversions_read:
            # Files without rows leave no client behind either.
            return Imported(0, 0, 0, 0)
        for file, kind in ((visits, VISITS), (conversions, CONVERSIONS)):
            _require_partitions(connection, file, kind, database.settings.start_date)
        repeated = connection.execute(query("import/repeated_entry")).mappings().first()
        if repeated is not None:
            raise InvalidInput(
                f"{conversions}, line {repeated['line']}: entry_id {repeated['entry_id']!r} stands on line "
                f"{repeated['first_line']} already; an entry is one conversion"
            )
        named: list[UUID] = list(connection.scalars(query("import/find_or_create_client"), {"name": client}))
        if len(named) > 1:
            raise InvalidInput(f"{len(named)} clients are named {client!r}; give another name with --client")
        of_client = {"client_id": named[0]}
        connection.execute(query("import/import_campaigns"), {**of_client, "created_by": LOCAL_AUTHOR})
        visits_added = connection.execute(query("import/import_visits"), of_client).rowcount
        conversions_added = connection.execute(query("import/import_conversions"), of_client).rowcount
        connection.commit()
    return Imported(visits_read, visits_added, conversions_read, conversions_added)


def _require_partitions(connection: Connection, file: Path | None, kind: FileKind, first_day: date) -> None:
    """Refuse facts of days that are never computed."""
    client_day = {"table_name": kind.table, "first_day": first_day}
    outside = connection.execute(query("import/staged_outside_partitions"), client_day).first()
    if outside is not None:
        raise InvalidInput(
            f"{file}, line {outside.line}: {kind.time} lies on {outside.day}; days go from {first_day} (setting "
            "EVENTFLOW_START_DATE) to today"
        )


def _stage(connection: Connection, file: Path | None, kind: FileKind, progress: Progress) -> int:
    if file is None:
        return 0
    rows = 0
    columns = ", ".join(("line", *kind.columns))
    cursor = driver_connection(connection).cursor()
    with cursor.copy(f"COPY pg_temp.{kind.table} ({columns}) FROM STDIN") as copy:
        for row in read_rows(file, kind, progress):
            copy.write_row(row)
            rows += 1
    return rows


def read_rows(file: Path, kind: FileKind, progress: Progress) -> Iterator[tuple[Any, ...]]:
    """The rows of a file, each with its line number first, checked; None is an absent value.

    Raises:
        InvalidInput: naming file, line and reason.
    """
    line = 1
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(_naming_the_line(text, file, progress), strict=True)
            header = next(reader, [])
            missing = [name for name in kind.required if name not in header]
            if missing:
                raise InvalidInput(
                    f"{file}, line 1: column {missing[0]} is missing; it should have {', '.join(kind.required)}"
                )
            if len(set(header)) != len(header):
                raise InvalidInput(f"{file}, line 1: a column name stands twice")
            others = [name for name in header if name not in kind.columns]
            if others and not kind.others_ignored:
                raise InvalidInput(
                    f"{file}, line 1: column {others[0]!r} is unknown; it may have {', '.join(kind.columns)}"
                )
            places = [header.index(name) if name in header else None for name in kind.columns]
            # Where a row begins: a quoted field may go on over many lines, to the end of the file
            # if its closing quote is missing.
            line = reader.line_num + 1
            for fields in reader:
                if fields:
                    yield (line, *_checked(fields, header, places, kind, f"{file}, line {line}"))
                line = reader.line_num + 1
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise InvalidInput(f"{file}, line {line}: not CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}, line {_undecodable_line(file)}: not UTF-8: {error.reason}") from error


def _undecodable_line(file: Path) -> int:
    """The first line that is not UTF-8; the decoder reads ahead of the lines and cannot tell."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _naming_the_line(lines: Iterator[str], file: Path, progress: Progress) -> Iterator[str]:
    for line in lines:
        progress(file, len(line.encode()))
        yield line


def _checked(
    fields: list[str], header: list[str], places: list[int | None], kind: FileKind, where: str
) -> Iterator[str | None]:
    if len(fields) != len(header):
        raise InvalidInput(f"{where}: {len(fields)} fields where the header has {len(header)}")
    for name, place in zip(kind.columns, places, strict=True):
        value = fields[place] if place is not None else ""
        if "\x00" in value:
            raise InvalidInput(f"{where}: {name} holds a NUL character, which PostgreSQL cannot store")
        if name == kind.time:
            yield _instant(value, name, where)
            continue
        if not value and name in kind.required and name not in kind.may_be_empty:
            raise InvalidInput(f"{where}: {name} is empty")
        yield value if value or name in kind.may_be_empty else None


def _instant(value: str, name: str, where: str) -> str:
    """The time in UTC, in the one notation that PostgreSQL reads whichever ISO 8601 one the file has."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(
        f"{where}: {name} is {value!r}; it should be ISO 8601 with an offset, such as 2012-03-19T08:04:16Z"
    )
