"""Import of manual adjustments from a CSV file: all lines or none, and a second import of the file adds nothing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from eventflow_stats.engine.adjustments import AdjustmentResult, NewAdjustment, RecordedAdjustment, open_ledger
from eventflow_stats.engine.group_key import GroupKey
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.clients import find_client, find_link
from eventflow_stats.errors import InvalidInput
from eventflow_stats.formatting import ABSENT, parse_csv
from eventflow_stats.local.import_facts import FileKind, read_rows

Result = TypeVar("Result")
ADJUSTMENTS = FileKind(
    None,
    ("client", "day", "reason"),
    ("campaign", "link", "utm_source", "utm_medium", "utm_campaign", "visits", "conversions"),
    None,
    frozenset(),
    False,
)


@dataclass(frozen=True)
class ImportedAdjustments:
    """How many adjustments the file has, and the new ones by line, as they were or would be added.

    ``in_force`` and ``reverted``: how many the ledger had already.
    """

    read: int
    new: dict[int, AdjustmentResult]
    in_force: int
    reverted: int


def import_adjustments(database: Database, file: Path, author: str, execute: bool) -> ImportedAdjustments:
    """Add the adjustments of a file to the ledger; without ``execute``, return what would be added and add nothing.

    UTF-8 CSV with a header: ``client`` (id, slug or name), ``day``, ``reason``; ``campaign`` (id), ``link`` (id or
    name), ``utm_source``, ``utm_medium``, ``utm_campaign``; ``visits`` and ``conversions``, such as ``+3`` or ``-2``.
    An empty field or ``__null__`` is an absent dimension, an empty number is 0; a dimension may be written as in a
    report's CSV (``'__null__`` is the text). An adjustment that the ledger has, by
    any author, is not added again, nor is one that was reverted.

    Raises:
        InvalidInput: a line cannot be used (file, line and reason); nothing was added.
        Refused: no connection or not migrated.
    """
    format_client = cache(partial(find_client, database))
    link_of = cache(partial(find_link, database))
    asked: dict[NewAdjustment, int] = {}
    for line, *fields in read_rows(file, ADJUSTMENTS, lambda _file, _bytes: None):
        where = f"{file}, line {line}"
        adjustment = _with_line(where, partial(_adjustment, fields, author, format_client, link_of))
        if adjustment in asked:
            raise InvalidInput(
                f"{where}: the same adjustment as on line {asked[adjustment]}; give another reason if both count"
            )
        asked[adjustment] = line
    known: list[RecordedAdjustment] = []
    new: dict[int, AdjustmentResult] = {}
    with open_ledger(database, execute) as ledger:
        for adjustment, line in asked.items():
            same = ledger.find_same(adjustment)
            if same is not None:
                known.append(same)
            else:
                new[line] = _with_line(f"{file}, line {line}", partial(ledger.add, adjustment))
    reverted = sum(same.reverted_at is not None for same in known)
    return ImportedAdjustments(len(asked), new, len(known) - reverted, reverted)


def _with_line(where: str, work: Callable[[], Result]) -> Result:
    try:
        return work()
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error


def _adjustment(
    fields: list[str | None],
    author: str,
    format_client: Callable[[str], UUID],
    link_of: Callable[[UUID, str], UUID],
) -> NewAdjustment:
    client, day, reason, *dimensions, visits, conversions = fields
    campaign, link, source, medium, utm_campaign = map(parse_csv, dimensions)
    if reason == ABSENT:
        raise InvalidInput("the reason is missing; write why the number is adjusted")
    of_client = format_client(str(client))
    return NewAdjustment(
        GroupKey(
            of_client,
            _day(str(day)),
            None if campaign is None else _campaign(campaign),
            None if link is None else link_of(of_client, link),
            source,
            medium,
            utm_campaign,
        ),
        _number("visits", visits),
        _number("conversions", conversions),
        str(reason).strip(),
        author,
    )


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise InvalidInput(f"day is {text!r}; it should be YYYY-MM-DD, such as 2026-02-28") from None


def _campaign(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput(f"campaign is {text!r}; it should be a campaign's id") from None


def _number(name: str, text: str | None) -> int:
    if text is None:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", text.strip()):
        raise InvalidInput(f"{name} is {text!r}; it should be a whole number to add or take away, such as +3 or -2")
    return int(text)
