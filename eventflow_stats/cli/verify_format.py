"""The result of `eventflow-stats verify` as text for people and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from eventflow_stats.engine.rollup.day_holds import HOW_TO_GO_ON
from eventflow_stats.engine.rollup.day_seals import NO_REPAIR
from eventflow_stats.engine.verification.discrepancies import (
    format_failed_days,
    format_line,
    format_totals,
    repair_commands,
)
from eventflow_stats.engine.verification.sample_confidence import (
    interval_of_share,
    sample_message,
    smallest_share_detected,
)
from eventflow_stats.engine.verification.verify import TRUSTED_RESULTS, GroupDifference, VerifiedDay
from eventflow_stats.errors import UnverifiableDay
from eventflow_stats.formatting import escape_unprintable, format_count
from eventflow_stats.reports.verified_days import Verified

NAMED_ON_SCREEN = 20


def days_as_json(days: Sequence[VerifiedDay]) -> dict[str, Any]:
    """The verified days for a program: totals, and each day with its wrong and stale groups."""
    return {
        "ok": all(day.result in TRUSTED_RESULTS for day in days),
        "days_verified": sum(day.result == "verified" for day in days),
        "days_sealed": sum(day.result == "sealed" for day in days),
        "days_held": sum(day.result == "held" for day in days),
        "groups_compared": sum(day.totals.groups for day in days),
        "facts_read": sum(day.totals.facts for day in days),
        "unresolved_facts": sum(day.totals.unresolved_facts for day in days),
        "wrong_groups": sum(day.wrong_groups for day in days),
        "days": [{"result": day.result, **asdict(day)} for day in days],
    }


def verified_as_json(compared: Verified) -> dict[str, Any]:
    """The result of a call of verify for a program."""
    answer = days_as_json(compared.days) | {
        "ok": compared.ok,
        "wrong_groups_known": compared.known_wrong,
        "failed_days": [
            {"day": day, "reason": str(error), "unverifiable": isinstance(error, UnverifiableDay)}
            for day, error in compared.failed.items()
        ],
    }
    sample = compared.sample
    if sample is None:
        return answer
    drawn, found = len(sample.places), compared.places_that_differ
    low, high = interval_of_share(drawn, found) if drawn else (0.0, 1.0)
    return answer | {
        "sample": {
            "unit": sample.unit,
            "seed": sample.seed,
            "population": sample.population,
            "drawn": drawn,
            "differences": found,
            "share_detected_with_95_percent": smallest_share_detected(sample.population, drawn),
            "wrong_share_95_percent": [low, high],
        }
    }


def format_verified(compared: Verified) -> list[str]:
    """The result of a call of verify for a person."""
    lines = format_failed_days(compared.failed)
    if compared.days:
        lines += format_days(compared.days, compared.clients, compared.sample is not None)
    if compared.sample is None:
        return lines
    elsewhere = compared.known_wrong - compared.wrong_groups
    if elsewhere > 0:
        lines.append(f"{format_count(elsewhere, 'wrong group')} found before, not in this sample and not repaired")
    return lines + sample_message(compared.sample, compared.places_that_differ)


def format_days(days: Sequence[VerifiedDay], clients: Sequence[str] = (), sampled: bool = False) -> list[str]:
    """The verified days for a person: a line for each day that is not right, its groups, and a summary.

    Parameters: ``clients``: as the caller named them, empty for all; ``sampled``: only some clients of each day were
    compared.
    """
    lines = []
    for day in days:
        if day.seal is not None and day.result == "wrong":
            lines.append(f"{day.day}: {day.seal}; {NO_REPAIR}")
        elif day.result == "held":
            lines.append(f"{day.day}: held, {day.hold}; {HOW_TO_GO_ON}")
        elif day.result == "wrong":
            lines.append(f"{day.day}: {day.wrong_groups:,} wrong")
        elif day.result == "stale":
            why = "facts changed since it was computed" if day.computed else "never computed for every client"
            lines.append(f"{day.day}: stale, {why}")
        lines += [f"  {_named(group)}" for group in day.differences[:NAMED_ON_SCREEN]]
        if len(day.differences) > NAMED_ON_SCREEN:
            lines.append(f"  and {len(day.differences) - NAMED_ON_SCREEN:,} more")
    verified = sum(day.result == "verified" for day in days)
    groups = sum(day.totals.groups for day in days)
    facts = sum(day.totals.facts for day in days)
    wrong = sum(day.wrong_groups for day in days)
    unresolved = sum(day.totals.unresolved_facts for day in days)
    sealed = sum(day.result == "sealed" for day in days)
    compared = f"{verified} of {len(days)} days verified"
    if sealed:
        compared += f", {sealed} sealed and unchanged since"
    if sampled:
        client_days = sum(day.verified_client_days + day.stale_client_days + day.wrong_client_days for day in days)
        compared = f"{format_count(client_days, 'client-day')} compared, on {format_count(len(days), 'day')}"
    lines.append(f"{compared}: {groups:,} groups against {facts:,} facts, {wrong:,} discrepancies")
    if wrong:
        lines.append(format_totals(days))
    if unresolved:
        lines.append(f"{unresolved:,} facts belong to no client and are in no group")
    return lines + [f"repair: {command}" for command in repair_commands(days, clients)]


def _named(group: GroupDifference) -> str:
    which, differs = format_line(group)
    return f"{group.result}: {escape_unprintable(which)}: {differs}"
