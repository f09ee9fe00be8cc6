"""Formats numbers, names, texts and durations for people, terminals, CSV and Markdown."""

import json
import re
import shlex
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of characters that control a terminal or a line, or that are invisible."""
ABSENT = "__null__"
"""The text for an absent dimension."""
_NEEDS_APOSTROPHE = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")  # noqa: RUF001 (spreadsheets take full-width ones too)
"""A CSV text that begins with one of these gets an apostrophe in front: a spreadsheet would run or drop it."""
_JSON_PREFIX = "'\""
"""A CSV text that begins so is a JSON string. No other text begins so: a leading apostrophe gets a second one."""


def counted(number: int, noun: str) -> str:
    """Return the number with its noun, such as "1 group" and "1,234 groups"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Return the names as a list, at most ``most`` of them."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def lasting(span: timedelta) -> str:
    """Return the duration, such as "40 s", "12 minutes", "3.5 hours" and "4.2 days"."""
    seconds = span.total_seconds()
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 3 * 86400 else f"{seconds / 86400:.1f} days"


def printable(text: str) -> str:
    """Return the text with escapes for characters that control a terminal or are invisible."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def json_text(value: object, default: Callable[[object], object] | None = None) -> str:
    """Return the value as one line of JSON that is safe for a terminal. Letters are not escaped."""
    text = json.dumps(value, default=default, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def csv_text(text: str | None) -> str:
    """Return the text as a CSV field that is safe for spreadsheets and terminals. :func:`read_csv_text` reverses it."""
    if text is None:
        return ABSENT
    if any(char != " " and unicodedata.category(char) in _UNPRINTABLE for char in text):
        return f"'{json_text(text)}"
    return f"'{text}" if text.startswith(_NEEDS_APOSTROPHE) or text == ABSENT else text


def read_csv_text(field: str | None) -> str | None:
    """Return the text of a CSV field written by :func:`csv_text` or by a person. None is an absent value."""
    if field is None or field == ABSENT:
        return None
    if field.startswith(_JSON_PREFIX):
        with suppress(ValueError):
            return str(json.loads(field[1:]))
    is_guarded = field == f"'{ABSENT}" or field.startswith(tuple(f"'{char}" for char in _NEEDS_APOSTROPHE))
    return field[1:] if is_guarded else field


def shell_word(text: str) -> str:
    """Return the text quoted for a shell command, as bash's $'...' if it has unprintable characters."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + printable(text.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def _escaped(char: str) -> str:
    if char.isascii():
        return char.encode("unicode_escape").decode()
    # JSON, Python and bash all read this form. Some of them read \x9b as a byte.
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def verbatim(text: str) -> str:
    """Return a Markdown code span. The UI renders descriptions as Markdown, and UTM values come from the public web."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{printable(' '.join(text.split()))}{padding}{fence}"


def in_quotes(value: str | None) -> str:
    """Return a text of the facts in quotes, because a stored "__null__" differs from an absent value."""
    return ABSENT if value is None else printable(json.dumps(value, ensure_ascii=False))


def format_group_key(
    campaign_id: UUID | None, campaign_name: str | None, link_id: UUID | None, link_name: str | None, *utm: str | None
) -> str:
    """A group's dimensions in a line, with names where they are known; ``utm`` is source, medium and campaign."""
    campaign, link = _named(campaign_id, campaign_name), _named(link_id, link_name)
    return f"campaign {campaign}, link {link}, utm {' / '.join(map(in_quotes, utm))}"


def _named(id_: UUID | None, name: str | None) -> str:
    return str(id_ or ABSENT) if name is None else f"{in_quotes(name)} ({id_})"
