"""Numbers, names and spans of time as a person reads them."""

import json
import re
import shlex
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Kinds of characters that steer a terminal or a line, or that have no shape."""
ABSENT = "__null__"
"""An absent dimension where a key must be text."""
_GUARDED = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")  # noqa: RUF001 (spreadsheets take full-width ones too)
"""A text in CSV that begins so has an apostrophe before it: a spreadsheet would take it for a formula, or drop it."""
_SPELLED = "'\""
"""A text in CSV that begins so goes on as a JSON string. No other does: an apostrophe is guarded, a quote is not."""


def counted(number: int, noun: str) -> str:
    """Such as "1 group" and "1,234 groups"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names in a row, the first ones of many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def lasting(span: timedelta) -> str:
    """Such as "40 s", "12 minutes", "3.5 hours" and "4.2 days"."""
    seconds = span.total_seconds()
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 3 * 86400 else f"{seconds / 86400:.1f} days"


def printable(text: str) -> str:
    """The text with what a terminal would obey or not show (control and direction codes, odd blanks) as escapes."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def json_text(value: object, default: Callable[[object], object] | None = None) -> str:
    """The value as JSON in a line that a terminal can be shown: what it would obey is escaped, letters are letters."""
    text = json.dumps(value, default=default, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def csv_text(text: str | None) -> str:
    """The text as a field of CSV that neither a spreadsheet nor a terminal obeys; :func:`read_csv_text` has it back."""
    if text is None:
        return ABSENT
    if any(char != " " and unicodedata.category(char) in _UNSEEN for char in text):
        return f"'{json_text(text)}"
    return f"'{text}" if text.startswith(_GUARDED) or text == ABSENT else text


def read_csv_text(field: str | None) -> str | None:
    """The text of a field that :func:`csv_text` wrote, or that a person did; None is an absent value."""
    if field is None or field == ABSENT:
        return None
    if field.startswith(_SPELLED):
        with suppress(ValueError):
            return str(json.loads(field[1:]))
    return field[1:] if field == f"'{ABSENT}" or field.startswith(tuple(f"'{char}" for char in _GUARDED)) else field


def shell_word(text: str) -> str:
    """The text as a word of a command that can be copied: of bash's $'...' where it holds what cannot be shown."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + printable(text.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def _escaped(char: str) -> str:
    if char.isascii():
        return char.encode("unicode_escape").decode()
    # As JSON, Python and bash all read it; \x9b would be a byte to some of them.
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def verbatim(text: str) -> str:
    """A Markdown code span: the UI renders descriptions as Markdown, and UTM values come from the public web."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{printable(' '.join(text.split()))}{padding}{fence}"


def in_quotes(value: str | None) -> str:
    """A text of the facts. In quotes, because a stored "__null__" is another value than an absent one."""
    return ABSENT if value is None else printable(json.dumps(value, ensure_ascii=False))


def format_group_key(
    campaign_id: UUID | None, campaign_name: str | None, link_id: UUID | None, link_name: str | None, *utm: str | None
) -> str:
    """A group's dimensions in a line, with names where they are known; ``utm`` is source, medium and campaign."""
    campaign, link = _named(campaign_id, campaign_name), _named(link_id, link_name)
    return f"campaign {campaign}, link {link}, utm {' / '.join(map(in_quotes, utm))}"


def _named(id_: UUID | None, name: str | None) -> str:
    return str(id_ or ABSENT) if name is None else f"{in_quotes(name)} ({id_})"
