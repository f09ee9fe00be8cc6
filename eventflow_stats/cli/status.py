"""status: whether the rollup can be trusted now, for people and for a monitor."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import click

from eventflow_stats.cli.options import json_option, print_json
from eventflow_stats.engine.assumptions.assumptions import ASSUMPTION_NAMES
from eventflow_stats.engine.postgres.database import readable_url
from eventflow_stats.engine.postgres.migrations import applied_migration
from eventflow_stats.engine.rollup.held_and_sealed_days import SealedSummary
from eventflow_stats.engine.status.due_work import StaleClientDays
from eventflow_stats.engine.status.freshness import TOO_OLD, RollupFreshness
from eventflow_stats.engine.status.health import (
    NAMED,
    NO_TIME,
    HealthProblem,
    Status,
    find_problems,
    find_warnings,
    format_summary,
    read_status,
)
from eventflow_stats.engine.status.open_transactions import OpenTransactions
from eventflow_stats.errors import FAILED
from eventflow_stats.formatting import format_count, format_duration, format_list
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings

WIDTH = 31
"""Of the column of names: the longest has 29 characters."""


@click.command("status")
@json_option
def status_command(as_json: bool) -> int:
    """Show whether the rollup can be trusted.

    The sections are freshness, stale client-days, verification, assumptions and open transactions.

    Exit code 1 if something is wrong: an assumption does not hold, so facts may be hidden; facts are missing in the
    rollup for 30 minutes; a group is wrong; the sweeps did not check changed rows in time; a day was not verified for
    EVENTFLOW_MAX_DRIFT_AGE; a day is held; a sealed day was edited; the database cannot be written; nothing was
    computed yet. The last line shows the remedy. Before the first tick of the schedule, every day that is not computed
    and verified is wrong.
    """
    settings = load_settings()
    with open_database(settings) as database:
        status = read_status(database)
        where = {
            "database": readable_url(database.url),
            "migration": applied_migration(database),
            "bucket_timezone": settings.bucket_timezone,
        }
    wrong = find_problems(status)
    if as_json:
        print_json({"ok": not wrong, **where, **status_as_json(status, wrong)})
    else:
        click.echo(f"{where['database']}, migration {where['migration']}, days in {where['bucket_timezone']}")
        for line in format_status(status):
            click.echo(line)
        click.echo(format_summary(status, wrong))
    return FAILED if wrong else 0


def format_status(status: Status) -> list[str]:
    """The status for a person, grouped and aligned."""
    progress, days, at = status.freshness, status.days, status.freshness.at
    fresh = "detection never ran" if progress.age is None else f"facts committed before {_ago(progress.age)}"
    computed = f"{days.computed_days:,} computed"
    if days.computed_days:
        computed += f", {days.first_computed_day} to {days.last_computed_day}"
    verification = "never"
    if progress.drift_age is not None:
        verification = (
            f"{_ago(progress.drift_age)}, {progress.drift_day} (limit {status.settings.max_drift_age:g} hours)"
        )
    wrong = sorted(status.open_discrepancies.items())
    sections: dict[str, list[tuple[str, str]]] = {
        "Freshness": [
            ("in the rollup", fresh),
            ("changed rows", progress.changes_message or "none that the sweeps have not checked"),
            ("last detection", "never" if progress.detected_at is None else _ago(at - progress.detected_at)),
            ("last tick", _last_tick(progress)),
        ],
        "Stale client-days": [
            (stale.reason, _format_stale(stale, at, status.settings.start_date)) for stale in status.stale
        ]
        or [("none", "")],
        "Verification": [
            ("days", computed),
            (
                "",
                f"{days.verified_days:,} verified since, {days.unverified_days:,} not yet, "
                f"{days.stale_days:,} stale, {days.wrong_days:,} wrong",
            ),
            ("held", format_list([str(hold.day) for hold in status.held], NAMED) if status.held else "none"),
            ("sealed", _format_sealed(status.sealed)),
            *([("unverifiable", f"{days.unverifiable_days:,}")] if days.unverifiable_days else []),
            ("oldest whole verification", verification),
            (
                "open discrepancies",
                format_list([f"{groups:,} on {day}" for day, groups in wrong], NAMED) if wrong else "none",
            ),
            ("facts of no client", f"{days.unresolved_facts:,}"),
            ("facts of no day", f"{progress.facts_of_no_day:,}"),
        ],
        "Assumptions": [(broken.assumption.name, "; ".join(broken.found)) for broken in status.unverifiable]
        or [("all hold", ", ".join(ASSUMPTION_NAMES))],
        "Open transactions": _format_open_transactions(status.open_transactions),
    }
    return [
        line
        for title, rows in sections.items()
        for line in (title, *(f"  {name:<{WIDTH}}{value}".rstrip() for name, value in rows))
    ]


def _format_sealed(sealed: SealedSummary) -> str:
    if not sealed.days:
        return "none"
    message = f"{format_count(sealed.days, 'day')}, before {sealed.before}"
    if sealed.late_facts:
        message += f"; {format_count(sealed.late_facts, 'fact')} arrived since and are in no number"
    return message


def _last_tick(progress: RollupFreshness) -> str:
    if progress.ticked_at is None:
        return "never"
    return f"{_ago(progress.at - progress.ticked_at)}: {progress.tick_outcome}"


def _format_stale(stale: StaleClientDays, at: datetime, start: date) -> str:
    age = format_duration(at - stale.oldest_since)
    message = f"{format_count(stale.client_days, 'client-day')} on {format_count(stale.days, 'day')}, for {age}"
    if stale.reach == "past":
        return f"{message}; before the start date {start}, never computed"
    return f"{message}; in the future, computed when the day comes" if stale.reach == "future" else message


def _format_open_transactions(held: OpenTransactions) -> list[tuple[str, str]]:
    rows = []
    for kind in ("open", "prepared"):
        of_kind = [transaction for transaction in held.transactions if transaction.kind == kind]
        oldest = "none"
        if of_kind:
            since = format_duration(held.at - of_kind[0].since)
            oldest = f"{len(of_kind):,}, the oldest for {since}: {of_kind[0]}"
        rows.append((kind, oldest))
    rows.append(("held back", format_count(held.held_back_ids, "transaction id")))
    if held.hidden_sessions:
        hidden = format_count(held.hidden_sessions, "session")
        rows.append(("not visible", f"{hidden} of other users (GRANT pg_read_all_stats shows them)"))
    return rows


def _ago(span: timedelta) -> str:
    return f"{format_duration(max(span, NO_TIME))} ago"


def status_as_json(status: Status, wrong: list[HealthProblem]) -> dict[str, Any]:
    """The status for a program: instants in ISO 8601, durations in seconds."""
    progress = status.freshness
    return {
        "at": progress.at,
        "wrong": [asdict(problem) for problem in wrong],
        "watch": [asdict(problem) for problem in find_warnings(status)],
        "freshness": {
            "fresh_through": progress.fresh_through,
            "age_seconds": progress.age,
            "detected_at": progress.detected_at,
            "limit_seconds": TOO_OLD,
        },
        "unswept_changes": {
            "changed_rows": progress.changed_rows,
            "since": progress.changed_since,
            "found_by": progress.changes_found_by,
        }
        if progress.changed_since
        else None,
        "last_tick": {"ticked_at": progress.ticked_at, "outcome": progress.tick_outcome} if status.ticked else None,
        "stale": [{**asdict(stale), "oldest_age_seconds": progress.at - stale.oldest_since} for stale in status.stale],
        "days": asdict(status.days),
        "facts_of_no_day": {"visits": progress.visits_of_no_day, "entries": progress.entries_of_no_day},
        "oldest_verification": {
            "verified_at": progress.drift_since,
            "day": progress.drift_day,
            "age_seconds": progress.drift_age,
            "limit_seconds": timedelta(hours=status.settings.max_drift_age),
        },
        "held": [asdict(hold) for hold in status.held],
        "sealed": asdict(status.sealed),
        "open_discrepancies": [
            {"day": day, "groups": groups} for day, groups in sorted(status.open_discrepancies.items())
        ],
        "unverifiable": [
            {
                "assumption": broken.assumption.name,
                "found": broken.found,
                "meaning": broken.assumption.meaning,
                "remedy": broken.assumption.remedy,
            }
            for broken in status.unverifiable
        ],
        "open_transactions": {
            **asdict(status.open_transactions),
            "transactions": [
                {**asdict(transaction), "age_seconds": status.open_transactions.at - transaction.since}
                for transaction in status.open_transactions.transactions
            ],
            "held_back_ids": status.open_transactions.held_back_ids,
            "limit_seconds": status.overlap,
        },
    }
