"""Numbers, names and spans of time as a person reads them."""

import json
import re
import shlex
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

ABSENT = "__null__"
"""An absent dimension where a key must be text."""
GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")
"""A text in CSV that begins so has an apostrophe before it: a spreadsheet would take it for a formula, or drop it."""


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


def told_key(campaign_id: UUID | None, link_id: UUID | None, link_name: str | None, *utm: str | None) -> str:
    """A group's dimensions in a line; ``utm`` is source, medium and campaign."""
    link = link_id if link_name is None else f"{in_quotes(link_name)} ({link_id})"
    return f"campaign {campaign_id or ABSENT}, link {link or ABSENT}, utm {' / '.join(map(in_quotes, utm))}"
