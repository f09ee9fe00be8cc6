"""The first lines of a report: the result of the verification, and the reasons for it."""

from eventflow_stats.engine.rollup.day_seals import NO_REPAIR
from eventflow_stats.engine.verification.discrepancies import format_failed_days, format_totals
from eventflow_stats.formatting import format_count, format_list
from eventflow_stats.reports.verified_days import Verified

LISTED_RESULTS = {
    "wrong": "wrong groups on",
    "held": "held, because too many facts disappeared (restore them, or eventflow-stats accept-deletion):",
    "stale": "stale, facts changed since or never computed:",
}


def result_message(verified: Verified) -> str:
    """The result in a few words."""
    if verified.sample is not None and not verified.sample.places:
        return "Nothing compared"
    if verified.ok:
        return "Right" if verified.sample is None else "Right, as far as the sample goes"
    if verified.wrong_groups:
        return f"Not right: {format_totals(verified.days)}"
    if verified.known_wrong:
        return f"Not right: {format_count(verified.known_wrong, 'wrong group')} known from earlier verifications"
    edited = [day for day in verified.days_of("wrong") if day.seal is not None]
    if edited:
        return f"Not right: rows of {format_count(len(edited), 'sealed day')} were edited"
    if verified.days_of("held"):
        return f"Held: too many facts of {format_count(len(verified.days_of('held')), 'day')} disappeared"
    if verified.failed:
        return f"Not known: {format_count(len(verified.failed), 'day')} could not be compared"
    return f"Not up to date: {format_count(len(verified.days_of('stale')), 'day')} to rebuild"


def reasons(verified: Verified) -> list[str]:
    """What was compared, and a line for each kind of day that is not verified."""
    lines = [_compared(verified)]
    for result, why in LISTED_RESULTS.items():
        found = [str(day.day) for day in verified.days_of(result) if day.seal is None]
        if found:
            lines.append(f"{why} {format_list(found)}")
    lines += [f"{day.day}: {day.seal}; {NO_REPAIR}" for day in verified.days_of("wrong") if day.seal is not None]
    lines += format_failed_days(verified.failed)
    elsewhere = verified.known_wrong - verified.wrong_groups
    if elsewhere > 0:
        lines.append(
            f"{format_count(elsewhere, 'wrong group')} found by earlier verifications, "
            "not compared now and not repaired"
        )
    unresolved = sum(day.totals.unresolved_facts for day in verified.days)
    if unresolved:
        lines.append(f"{format_count(unresolved, 'fact')} without a client, in no group (below)")
    return lines


def _compared(verified: Verified) -> str:
    days = verified.days
    groups, facts = sum(day.totals.groups for day in days), sum(day.totals.facts for day in days)
    visits, conversions = sum(day.totals.visits for day in days), sum(day.totals.conversions for day in days)
    compared = f"{len(verified.days_of('verified')):,} of {format_count(len(days), 'day')} verified"
    if verified.days_of("sealed"):
        compared += f", {len(verified.days_of('sealed')):,} sealed and unchanged since"
    if verified.sample is not None:
        client_days = sum(day.verified_client_days + day.stale_client_days + day.wrong_client_days for day in days)
        compared = f"{format_count(client_days, 'client-day')} compared, on {format_count(len(days), 'day')}"
    return (
        f"{compared}: {format_count(groups, 'group')} compared with {format_count(facts, 'fact')}, which give "
        f"{format_count(visits, 'visit')} and {format_count(conversions, 'conversion')}"
    )
