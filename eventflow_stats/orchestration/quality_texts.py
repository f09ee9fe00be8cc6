"""What the checks of data quality say to an operator: one line that names the clients, a table, what to do."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import dagster as dg

from eventflow_stats.engine.goals import JudgedDay
from eventflow_stats.engine.quality_alarms import OverrunLink, Stopped, WithoutVisits
from eventflow_stats.words import counted, verbatim

NAMED, NAMED_IN_THE_UI = 5, 200
"""How many clients are named in the line, and in the table."""


class Told(NamedTuple):
    """What a check says."""

    passed: bool
    description: str
    metadata: Mapping[str, Any]


def told_goal(
    days: Sequence[JudgedDay],
    goal: float,
    what: str,
    is_least: bool,
    remedy: str,
    least_facts: int,
    asked: Sequence[date],
) -> Told:
    """One goal; ``days`` are those judged by it, the missed ones first."""
    judged, missed = (days[0].judged, days[0].missed_days) if days else (0, 0)
    bound = f"{goal:g} % or {'more' if is_least else 'less'}"
    span = " to ".join(sorted({str(asked[0]), str(asked[-1])}))
    metadata: dict[str, Any] = {"judged_client_days": judged, "missed_client_days": missed, "goal_percent": goal}
    if not judged:
        return Told(
            True, f"{span}: no client has {least_facts} facts of a day, and fewer are not judged ({what}).", metadata
        )
    if not missed:
        return Told(True, f"{span}: all of {counted(judged, 'client day')} have {bound} of {what}.", metadata)
    named = [day for day in days if day.missed]
    first = [f"{verbatim(day.client_name)} {day.rate} % on {day.bucket_date}" for day in named]
    records = [
        {
            "client": day.client_name,
            "day": str(day.bucket_date),
            "rate": f"{day.rate} %",
            "goal": bound,
            "facts": f"{day.part:,} of {day.whole:,}",
        }
        for day in named
    ]
    return Told(
        False,
        f"{missed:,} of {counted(judged, 'client day')} {'misses' if missed == 1 else 'miss'} the goal of {bound} of "
        f"{what}: "
        f"{_named(first, missed)}. {remedy}",
        {**metadata, "clients": _table(records), "what_to_do": remedy},
    )


def told_without_visits(clients: Sequence[WithoutVisits], today: date) -> Told:
    """Clients with entries today and no visit."""
    if not clients:
        return Told(True, f"No client has several entries on {today} and not one visit.", {"clients_found": 0})
    remedy = (
        "Open the client's page and look whether it posts its visit, and whether the answer is success: false; "
        "entries arrive, so the page itself is up. Visits not recorded now are lost."
    )
    # The rule is about several, so the plural is always right.
    first = [f"{verbatim(client.client_name)} ({client.entries:,} entries)" for client in clients]
    records = [{"client": client.client_name, "entries": f"{client.entries:,}", "visits": "0"} for client in clients]
    return Told(
        False,
        f"Entries arrive on {today} and not one visit, of {counted(len(clients), 'client')}: "
        f"{_named(first, len(clients))}. {remedy}",
        {"clients_found": len(clients), "clients": _table(records), "what_to_do": remedy},
    )


def told_stopped(clients: Sequence[Stopped]) -> Told:
    """Clients whose traffic stopped."""
    if not clients:
        return Told(True, "No client's traffic stopped, yesterday or today.", {"clients_found": 0})
    remedy = (
        "Did the event end, or is it a holiday? Else open the client's links and look whether the pages are up and "
        "post their visits."
    )
    first = [
        f"{verbatim(client.client_name)} {counted(client.visits, 'visit')} {client.span}, "
        f"never fewer than {client.usual.smallest:,} on {client.usual.known_weeks} such days before"
        + (f" ({counted(client.usual.left_out, 'day')} of an outage left out)" if client.usual.left_out else "")
        for client in clients
    ]
    records = [
        {
            "client": client.client_name,
            "day": f"{client.bucket_date} ({'until now' if client.span == 'today' else 'whole day'})",
            "visits": f"{client.visits:,}",
            "smallest before": f"{client.usual.smallest:,} of {client.usual.known_weeks} weeks",
            "chance": f"{client.chance:.0e}",
        }
        for client in clients
    ]
    return Told(
        False,
        f"Traffic stopped: {_named(first, len(clients), '; ')}. {remedy}",
        {"clients_found": len(clients), "clients": _table(records), "what_to_do": remedy},
    )


def told_overrun_links(links: Sequence[OverrunLink], days: int) -> Told:
    """Links with more conversions than visits."""
    if not links:
        return Told(True, f"No link has more conversions than visits over {days} days.", {"links_found": 0})
    remedy = (
        "Is the link's page recorded, or does the link lead straight to the form? One device that many people sign up "
        "on (a stand at an event) looks the same, and is no fault."
    )
    first = [
        f"{verbatim(link.link_name)} of {verbatim(link.client_name)} ({link.conversions:,} conversions, "
        f"{counted(link.visits, 'visit')})"
        for link in links
    ]
    records = [
        {
            "client": link.client_name,
            "link": link.link_name,
            "conversions": f"{link.conversions:,}",
            "visits": f"{link.visits:,}",
            "link id": str(link.link_id),
        }
        for link in links
    ]
    return Told(
        False,
        f"More conversions than visits over {days} days on {counted(len(links), 'link')}: "
        f"{_named(first, len(links))}. {remedy}",
        {"links_found": len(links), "links": _table(records), "what_to_do": remedy},
    )


def _named(names: Sequence[str], total: int, between: str = ", ") -> str:
    more = total - min(len(names), NAMED)
    return between.join(names[:NAMED]) + (f" and {more:,} more" if more else "")


def _table(records: Sequence[dict[str, str]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(records=[dg.TableRecord(record) for record in records[:NAMED_IN_THE_UI]])
