"""How differences and counts are told to a person: in check results, tick reasons and alerts."""

import json
import re
from datetime import date

from eventflow_stats.engine.adjustments import DayAdjustments
from eventflow_stats.engine.prove import DifferingGroup
from eventflow_stats.words import counted

ABSENT = "__null__"


def record_of(day: date, group: DifferingGroup) -> dict[str, str]:
    """A row of the table of differing groups."""
    return {
        "verdict": group.verdict,
        "day": day.isoformat(),
        "client": _client_of(group),
        "visits": _compared(group.stored_visits, group.true_visits),
        "conversions": _compared(group.stored_conversions, group.true_conversions),
        "group": _key_of(group),
    }


def first_of(group: DifferingGroup) -> str:
    """One differing group in a line of Markdown."""
    visits = _compared(group.stored_visits, group.true_visits)
    conversions = _compared(group.stored_conversions, group.true_conversions)
    return f"{verbatim(f'{_client_of(group)}, {_key_of(group)}')}: visits {visits}; conversions {conversions}"


def told_adjustments(total: DayAdjustments) -> str:
    """Such as "2 manual corrections in force (visits -5, conversions +3)"."""
    corrections = counted(total.adjustments, "manual correction")
    return f"{corrections} in force (visits {total.visits:+,}, conversions {total.conversions:+,})"


def _client_of(group: DifferingGroup) -> str:
    return group.client_name or str(group.client_id)


def _key_of(group: DifferingGroup) -> str:
    utm = " / ".join(_quoted(value) for value in (group.utm_source, group.utm_medium, group.utm_campaign))
    return f"campaign {group.campaign_id or ABSENT}, link {group.link_id or ABSENT}, utm {utm}"


def _quoted(value: str | None) -> str:
    # In quotes, because a stored "__null__" is another group than an absent value.
    return ABSENT if value is None else json.dumps(value, ensure_ascii=False)


def _compared(stored: int | None, true: int | None) -> str:
    if stored == true:
        return f"{stored:,}" if stored is not None else "no row"
    return f"{_or_no_row(stored)}, should be {_or_no_row(true)}"


def _or_no_row(number: int | None) -> str:
    return "no row" if number is None else f"{number:,}"


def verbatim(text: str) -> str:
    """A Markdown code span: the UI renders descriptions as Markdown, and UTM values come from the public web."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{' '.join(text.split())}{padding}{fence}"
