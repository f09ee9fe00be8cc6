"""The messages of the data-quality checks: a line that names the clients, a table, and what to do."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import dagster as dg

from eventflow_stats.engine.quality.anomalies import ClientWithoutVisits, OverrunLink, StoppedTraffic
from eventflow_stats.engine.quality.goals import LEAST_FACTS, GoalResult
from eventflow_stats.formatting import format_count, markdown_code
from eventflow_stats.orchestration.checks.check_metadata import NAMED_IN_THE_UI
from eventflow_stats.orchestration.checks.data_quality_specs import GoalCheck
from eventflow_stats.settings import Settings

NAMED = 5
"""How many clients the line names; the table names NAMED_IN_THE_UI."""


class CheckText(NamedTuple):
    """The result of a check: whether it passed, its message and its metadata."""

    passed: bool
    description: str
    metadata: Mapping[str, Any]


def goal_text(
    goal: GoalCheck, days: Sequence[GoalResult], settings: Settings, checked_days: Sequence[date]
) -> CheckText:
    """The message of one goal. ``days`` are the client-days that were checked, those that miss the goal first."""
    checked, missed = (days[0].checked, days[0].missed_client_days) if days else (0, 0)
    percent = goal.goal(settings)
    bound = f"{percent:g} % or {'more' if goal.is_least else 'less'}"
    span = " to ".join(sorted({str(checked_days[0]), str(checked_days[-1])}))
    metadata: dict[str, Any] = {
        "checked_client_days": checked,
        "client_days_that_miss_it": missed,
        "goal_percent": percent,
    }
    if not checked:
        return CheckText(
            True,
            f"{span}: no client has the {LEAST_FACTS} facts of a day that this goal needs ({goal.what}).",
            metadata,
        )
    if not missed:
        return CheckText(
            True, f"{span}: all of {format_count(checked, 'client-day')} have {bound} of {goal.what}.", metadata
        )
    named = [day for day in days if day.missed]
    first = [f"{markdown_code(day.client_name)} {day.rate} % on {day.bucket_date}" for day in named]
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
    return CheckText(
        False,
        f"{missed:,} of {format_count(checked, 'client-day')} "
        f"{'misses' if missed == 1 else 'miss'} the goal of {bound} of "
        f"{goal.what}: "
        f"{_named(first, missed)}. {goal.remedy}",
        {**metadata, "clients": _table(records), "what_to_do": goal.remedy},
    )


def without_visits_text(clients: Sequence[ClientWithoutVisits], today: date) -> CheckText:
    """The message about clients with entries today and no visit."""
    if not clients:
        return CheckText(True, f"No client has several entries on {today} and not one visit.", {"clients_found": 0})
    remedy = (
        "Open the client's page and check whether it posts its visit, and whether the answer is success: false. "
        "Entries arrive, so the page itself is up. Visits that are not recorded now are lost."
    )
    # The rule needs several entries, so the plural is always right.
    first = [f"{markdown_code(client.client_name)} ({client.entries:,} entries)" for client in clients]
    records = [{"client": client.client_name, "entries": f"{client.entries:,}", "visits": "0"} for client in clients]
    return CheckText(
        False,
        f"{format_count(len(clients), 'client')} with entries on {today} and not one visit: "
        f"{_named(first, len(clients))}. {remedy}",
        {"clients_found": len(clients), "clients": _table(records), "what_to_do": remedy},
    )


def stopped_text(clients: Sequence[StoppedTraffic]) -> CheckText:
    """The message about clients whose traffic stopped."""
    if not clients:
        return CheckText(True, "No client's traffic stopped, yesterday or today.", {"clients_found": 0})
    remedy = (
        "Did the event end, or is it a holiday? If not, open the client's links and check whether the pages are up and "
        "post their visits."
    )
    first = [
        f"{markdown_code(client.client_name)} {format_count(client.visits, 'visit')} {client.span}, "
        f"at least {client.usual.smallest:,} on each of {client.usual.known_weeks} such days before"
        + (f" ({format_count(client.usual.left_out, 'day')} of an outage left out)" if client.usual.left_out else "")
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
    return CheckText(
        False,
        f"Traffic stopped: {_named(first, len(clients), '; ')}. {remedy}",
        {"clients_found": len(clients), "clients": _table(records), "what_to_do": remedy},
    )


def overrun_links_text(links: Sequence[OverrunLink], days: int) -> CheckText:
    """The message about links with more conversions than visits."""
    if not links:
        return CheckText(True, f"No link has more conversions than visits in {days} days.", {"links_found": 0})
    remedy = (
        "Are the visits of the link's page recorded, or does the link lead straight to the form? One device on which "
        "many people sign up (a stand at an event) has the same effect, and is no fault."
    )
    first = [
        f"{markdown_code(link.link_name)} of {markdown_code(link.client_name)} ({link.conversions:,} conversions, "
        f"{format_count(link.visits, 'visit')})"
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
    return CheckText(
        False,
        f"{format_count(len(links), 'link')} with more conversions than visits in {days} days: "
        f"{_named(first, len(links))}. {remedy}",
        {"links_found": len(links), "links": _table(records), "what_to_do": remedy},
    )


def _named(names: Sequence[str], total: int, between: str = ", ") -> str:
    more = total - min(len(names), NAMED)
    return between.join(names[:NAMED]) + (f" and {more:,} more" if more else "")


def _table(records: Sequence[dict[str, str]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(records=[dg.TableRecord(record) for record in records[:NAMED_IN_THE_UI]])
