"""status: whether the rollup can be trusted right now, for a person in a hurry and for a monitor."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import click

from eventflow_stats.cli.options import json_option, print_json
from eventflow_stats.engine.assumptions import ASSUMPTION_NAMES
from eventflow_stats.engine.database import readable_url
from eventflow_stats.engine.day_state import SealedSummary
from eventflow_stats.engine.hold_back import HoldBack
from eventflow_stats.engine.judging import (
    NAMED,
    NO_TIME,
    Finding,
    Status,
    read_status,
    told_transaction,
    verdict,
    what_is_wrong,
    what_to_watch,
)
from eventflow_stats.engine.migrations import applied_migration
from eventflow_stats.engine.row_changes import changes_message
from eventflow_stats.engine.upkeep import TOO_OLD, DirtyScopes, Upkeep
from eventflow_stats.errors import FAILED
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings
from eventflow_stats.words import counted, lasting, listed


@click.command("status")
@json_option
def status_command(as_json: bool) -> int:
    """Show whether the rollup can be trusted: freshness, dirty scopes, oldest proof, discrepancies, hold-back.

    Exit code 1 when something is wrong: facts may be hidden, so that nothing can be verified; facts not in the rollup
    for 30 minutes; a group known to be wrong; changed rows that the sweeps did not look for in time; a day not verified
    within EVENTFLOW_MAX_DRIFT_AGE; nothing computed yet. The last line says what to do. Freshness is judged from the
    schedule's first tick on; before, whatever is not computed and verified is wrong at once.
    """
    settings = load_settings()
    with open_database(settings) as database:
        status = read_status(database)
        where = {
            "database": readable_url(database.url),
            "migration": applied_migration(database),
            "bucket_timezone": settings.bucket_timezone,
        }
    wrong = what_is_wrong(status)
    if as_json:
        print_json({"ok": not wrong, **where, **status_as_json(status, wrong)})
    else:
        click.echo(f"{where['database']}, migration {where['migration']}, days in {where['bucket_timezone']}")
        for line in told_status(status):
            click.echo(line)
        click.echo(verdict(status, wrong))
    return FAILED if wrong else 0


def told_status(status: Status) -> list[str]:
    """The whole of it for a person, grouped and aligned."""
    stands, days, at = status.upkeep, status.days, status.upkeep.at
    fresh = "never looked for new facts" if stands.age is None else f"facts committed before {_ago(stands.age)}"
    covered = f"{days.covered_days:,} computed"
    if days.covered_days:
        covered += f", {days.first_covered_day} to {days.last_covered_day}"
    proof = "never"
    if stands.drift_age is not None:
        proof = f"{_ago(stands.drift_age)}, {stands.drift_day} (limit {status.settings.max_drift_age:g} hours)"
    wrong = sorted(status.open_discrepancies.items())
    sections: dict[str, list[tuple[str, str]]] = {
        "Freshness": [
            ("in the rollup", fresh),
            ("changed rows", changes_message(stands) or "none that the sweeps have not looked for"),
            ("last look", "never" if stands.detected_at is None else _ago(at - stands.detected_at)),
            ("last tick", _last_tick(stands)),
        ],
        "Dirty scopes": [(dirty.reason, _told_dirty(dirty, at, status.settings.start_date)) for dirty in status.dirty]
        or [("none", "")],
        "Proof": [
            ("days", covered),
            (
                "",
                f"{days.proved_days:,} proved since, {days.unproved_days:,} not yet, "
                f"{days.stale_days:,} stale, {days.wrong_days:,} wrong",
            ),
            ("held", listed([str(hold.day) for hold in status.held], NAMED) if status.held else "none"),
            ("sealed", _told_sealed(status.sealed)),
            *([("unverifiable", f"{days.unverifiable_days:,}")] if days.unverifiable_days else []),
            ("oldest whole proof", proof),
            (
                "open discrepancies",
                listed([f"{groups:,} on {day}" for day, groups in wrong], NAMED) if wrong else "none",
            ),
            ("facts of no client", f"{days.unresolved_facts:,}"),
            ("facts of no day", f"{stands.facts_of_no_day:,}"),
        ],
        "Assumptions": [(broken.assumption.name, "; ".join(broken.found)) for broken in status.unverifiable]
        or [("all hold", ", ".join(ASSUMPTION_NAMES))],
        "Hold-back": _told_hold_back(status.hold_back),
    }
    return [
        line
        for title, rows in sections.items()
        for line in (title, *(f"  {name:<24}{value}".rstrip() for name, value in rows))
    ]


def _told_sealed(sealed: SealedSummary) -> str:
    if not sealed.days:
        return "none"
    told = f"{counted(sealed.days, 'day')}, before {sealed.before}"
    if sealed.late_facts:
        told += f"; {counted(sealed.late_facts, 'fact')} arrived since, in no number"
    return told


def _last_tick(stands: Upkeep) -> str:
    if stands.ticked_at is None:
        return "never"
    return f"{_ago(stands.at - stands.ticked_at)}: {stands.tick_outcome}"


def _told_dirty(dirty: DirtyScopes, at: datetime, start: date) -> str:
    told = f"{counted(dirty.scopes, 'scope')} on {counted(dirty.days, 'day')}, for {lasting(at - dirty.oldest_since)}"
    if dirty.reach == "past":
        return f"{told}; before the start date {start}, out of reach"
    return f"{told}; in the future, waiting for the day" if dirty.reach == "future" else told


def _told_hold_back(held: HoldBack) -> list[tuple[str, str]]:
    rows = []
    for kind, name in (("open", "open transactions"), ("prepared", "prepared transactions")):
        of_kind = [transaction for transaction in held.transactions if transaction.kind == kind]
        oldest = "none"
        if of_kind:
            since = lasting(held.at - of_kind[0].since)
            oldest = f"{len(of_kind):,}, the oldest for {since}: {told_transaction(of_kind[0])}"
        rows.append((name, oldest))
    rows.append(("held back", counted(held.held_back, "transaction id")))
    if held.hidden_sessions:
        hidden = counted(held.hidden_sessions, "session")
        rows.append(("not visible", f"{hidden} of other users (GRANT pg_read_all_stats would show them)"))
    return rows


def _ago(span: timedelta) -> str:
    return f"{lasting(max(span, NO_TIME))} ago"


def status_as_json(status: Status, wrong: list[Finding]) -> dict[str, Any]:
    """The same for a program: instants in ISO 8601, spans in seconds."""
    stands = status.upkeep
    return {
        "at": stands.at,
        "wrong": [asdict(finding) for finding in wrong],
        "watch": [asdict(finding) for finding in what_to_watch(status)],
        "freshness": {
            "fresh_through": stands.fresh_through,
            "age_seconds": stands.age,
            "detected_at": stands.detected_at,
            "limit_seconds": TOO_OLD,
        },
        "unswept_changes": {
            "changed_rows": stands.changed_rows,
            "since": stands.changed_since,
            "found_by": stands.changes_found_by,
        }
        if stands.changed_since
        else None,
        "last_tick": {"ticked_at": stands.ticked_at, "outcome": stands.tick_outcome} if status.ticked else None,
        "dirty": [{**asdict(dirty), "oldest_age_seconds": stands.at - dirty.oldest_since} for dirty in status.dirty],
        "days": asdict(status.days),
        "facts_of_no_day": {"visits": stands.visits_of_no_day, "entries": stands.entries_of_no_day},
        "oldest_proof": {
            "proved_at": stands.drift_since,
            "day": stands.drift_day,
            "age_seconds": stands.drift_age,
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
        "hold_back": {
            **asdict(status.hold_back),
            "transactions": [
                {**asdict(transaction), "age_seconds": status.hold_back.at - transaction.since}
                for transaction in status.hold_back.transactions
            ],
            "held_back": status.hold_back.held_back,
            "limit_seconds": status.overlap,
        },
    }
