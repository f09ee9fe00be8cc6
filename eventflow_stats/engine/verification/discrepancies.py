"""Format differences between rollup and facts, with the same columns and words for command line, reports and UI.

A difference is stored minus true. A positive one means that the rollup counts too many. A row that should not exist
has a true value of 0, a missing row a stored value of 0.
"""

import shlex
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from eventflow_stats.engine.verification.verify import GroupDifference, VerifiedDay
from eventflow_stats.errors import DayBusy, FailedDays, UnverifiableDay
from eventflow_stats.formatting import format_count, format_group_key

COLUMNS = {
    "result": "wrong; or stale: the facts changed since the day was computed.",
    "client": "",
    "day": "",
    "group": "Texts are in quotes; __null__ without quotes is an absent value.",
    "stored": "The numbers of the rollup.",
    "true": "The numbers that the facts give.",
    "difference": "Stored minus true. Positive: the rollup counts too many.",
}
"""The columns of a table of differences, and the meaning of each."""


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
    """The group, which holds values from the public web, and its numbers, which hold none."""
    visits = _compared(group.stored_visits, group.true_visits)
    conversions = _compared(group.stored_conversions, group.true_conversions)
    return f"{format_client(group)}, {format_key(group)}", f"visits {visits}; conversions {conversions}"


def format_failed_days(failed: FailedDays) -> list[str]:
    """A line for each day that could not be verified, with the reason."""
    named = (DayBusy, UnverifiableDay)
    return [str(error) if isinstance(error, named) else f"{day}: {error}" for day, error in sorted(failed.items())]


def difference(group: GroupDifference) -> tuple[int, int]:
    """Visits and conversions, stored minus true."""
    return (
        (group.stored_visits or 0) - (group.true_visits or 0),
        (group.stored_conversions or 0) - (group.true_conversions or 0),
    )


def format_totals(days: Iterable[VerifiedDay]) -> str:
    """The sums of all wrong groups, those that are not named included."""
    verified = list(days)
    visits = sum(day.visits_difference for day in verified)
    conversions = sum(day.conversions_difference for day in verified)
    wrong = sum(day.wrong_groups for day in verified)
    return f"{format_count(wrong, 'wrong group')}, in all {format_difference(visits, conversions)} (stored minus true)"


def format_difference(visits: int, conversions: int) -> str:
    """A difference, such as "+7 visits, -1 conversion"."""
    return f"{_signed(visits, 'visit')}, {_signed(conversions, 'conversion')}"


def repair_commands(days: Sequence[VerifiedDay], clients: Sequence[str] = ()) -> list[str]:
    """The commands that rebuild the stale or wrong days, one for each range of days; a single command if there are more
    than five ranges. Held and sealed days are left out. ``clients`` as the user named them, none for all."""
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
    return format_group_key(group.campaign_id, group.campaign_name, group.link_id, group.link_name, *utm)


def _numbers(visits: int | None, conversions: int | None) -> str:
    if visits is None or conversions is None:
        return "no row"
    return f"{format_count(visits, 'visit')}, {format_count(conversions, 'conversion')}"


def _signed(number: int, noun: str) -> str:
    return f"{number:+,} {noun}{'' if abs(number) == 1 else 's'}" if number else f"0 {noun}s"


def _compared(stored: int | None, true: int | None) -> str:
    if stored == true:
        return f"{stored:,}" if stored is not None else "no row"
    return f"{_or_no_row(stored)}, should be {_or_no_row(true)}"


def _or_no_row(number: int | None) -> str:
    return "no row" if number is None else f"{number:,}"
