"""How differing groups are reported to a person: the same columns and words on the command line, in reports, in the UI.

A difference is stored minus true: above nought, the rollup counts too many. A row that should not be counts as
its numbers too many, one that is missing as its numbers too few.
"""

import shlex
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from eventflow_stats.engine.verification.verify import GroupDifference, VerifiedDay
from eventflow_stats.errors import DayBusy, FailedDays, UnverifiableDay
from eventflow_stats.formatting import counted, format_group_key

COLUMNS = {
    "result": "wrong, or stale: the facts changed since the day was computed.",
    "client": "",
    "day": "",
    "group": "Texts stand in quotes; __null__ without quotes is an absent value.",
    "stored": "What the rollup holds.",
    "true": "What the facts say.",
    "difference": "Stored minus true: above nought, the rollup counts too many.",
}
"""The columns of a table of differing groups, and what each means."""


def format_columns(day: date, group: GroupDifference) -> dict[str, str]:
    """A row of the table, by column."""
    visits, conversions = difference(group)
    return {
        "result": group.result,
        "client": format_client(group),
        "day": day.isoformat(),
        "group": format_key(group),
        "stored": _numbers(group.stored_visits, group.stored_conversions),
        "true": _numbers(group.true_visits, group.true_conversions),
        "difference": format_difference(visits, conversions),
    }


def format_line(group: GroupDifference) -> tuple[str, str]:
    """Which group, with values of the public web, and how it differs, with none."""
    visits = _compared(group.stored_visits, group.true_visits)
    conversions = _compared(group.stored_conversions, group.true_conversions)
    return f"{format_client(group)}, {format_key(group)}", f"visits {visits}; conversions {conversions}"


def format_failed_days(failed: FailedDays) -> list[str]:
    """A line for each day that could not be compared, or is unverifiable, and why."""
    named = (DayBusy, UnverifiableDay)
    return [str(error) if isinstance(error, named) else f"{day}: {error}" for day, error in sorted(failed.items())]


def difference(group: GroupDifference) -> tuple[int, int]:
    """Visits and conversions, stored minus true."""
    return (
        (group.stored_visits or 0) - (group.true_visits or 0),
        (group.stored_conversions or 0) - (group.true_conversions or 0),
    )


def format_totals(days: Iterable[VerifiedDay]) -> str:
    """What the wrong groups come to, those without a name included."""
    verified = list(days)
    visits = sum(day.visits_difference for day in verified)
    conversions = sum(day.conversions_difference for day in verified)
    wrong = sum(day.wrong_groups for day in verified)
    return f"{counted(wrong, 'wrong group')}, in all {format_difference(visits, conversions)} (stored minus true)"


def format_difference(visits: int, conversions: int) -> str:
    """A difference, such as "+7 visits, -1 conversion"."""
    return f"{_signed(visits, 'visit')}, {_signed(conversions, 'conversion')}"


def repair_commands(days: Sequence[VerifiedDay], clients: Sequence[str] = ()) -> list[str]:
    """The exact commands that compute again what is stale or wrong, a line for each stretch of days; the whole span
    once the stretches are many. Held and sealed days are left out. ``clients`` as asked for, none for all."""
    found: list[tuple[date, date]] = []
    for day in sorted(day.day for day in days if day.result in ("stale", "wrong") and day.seal is None):
        if found and found[-1][1] + timedelta(days=1) == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    if len(found) > 5:
        found = [(found[0][0], found[-1][1])]
    named = "".join(f" --client {shlex.quote(client)}" for client in clients)
    return [f"eventflow-stats backfill --from {first} --to {last}{named}" for first, last in found]


def format_client(group: GroupDifference) -> str:
    return group.client_name or str(group.client_id)


def format_key(group: GroupDifference) -> str:
    """The group's dimensions in a line."""
    utm = (group.utm_source, group.utm_medium, group.utm_campaign)
    return format_group_key(group.campaign_id, group.link_id, group.link_name, *utm)


def _numbers(visits: int | None, conversions: int | None) -> str:
    if visits is None or conversions is None:
        return "no row"
    return f"{counted(visits, 'visit')}, {counted(conversions, 'conversion')}"


def _signed(number: int, noun: str) -> str:
    return f"{number:+,} {noun}{'' if abs(number) == 1 else 's'}" if number else f"0 {noun}s"


def _compared(stored: int | None, true: int | None) -> str:
    if stored == true:
        return f"{stored:,}" if stored is not None else "no row"
    return f"{_or_no_row(stored)}, should be {_or_no_row(true)}"


def _or_no_row(number: int | None) -> str:
    return "no row" if number is None else f"{number:,}"
