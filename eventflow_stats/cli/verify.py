"""verify: days of the rollup, or a random part of them, compared with the facts; and the report of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, get_args

import click

from eventflow_stats.cli.options import check_days, client_option, day_range, json_option, print_json, progress_bar
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.rollup.day_holds import HOW_TO_GO_ON
from eventflow_stats.engine.rollup.day_seals import NO_REPAIR
from eventflow_stats.engine.status.day_summary import first_known_day, known_wrong_groups
from eventflow_stats.engine.verification.discrepancies import (
    format_failed_days,
    format_line,
    format_totals,
    repair_commands,
)
from eventflow_stats.engine.verification.sample import SampleUnit, draw_sample, verify_drawn
from eventflow_stats.engine.verification.sample_confidence import (
    interval_of_share,
    sample_message,
    smallest_share_detected,
)
from eventflow_stats.engine.verification.verify import (
    NAMED_GROUPS,
    TRUSTED_RESULTS,
    GroupDifference,
    VerifiedDay,
    verify,
)
from eventflow_stats.errors import FAILED, FailedDays, InvalidInput, UnverifiableDay
from eventflow_stats.formatting import counted
from eventflow_stats.local.server import open_database
from eventflow_stats.reports.files import ReportFiles
from eventflow_stats.reports.verified_days import Verified
from eventflow_stats.settings import Settings, load_settings

NAMED_ON_SCREEN = 20
LARGEST_SAMPLE = 100_000


@click.command("verify")
@day_range(required=False)
@client_option
@click.option(
    "--sample", "most", type=click.IntRange(1, LARGEST_SAMPLE), metavar="N", help="Only so many, drawn at random."
)
@click.option("--unit", type=click.Choice(get_args(SampleUnit)), help="What --sample draws. Default: groups.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="NUMBER", help="Draw an earlier sample again.")
@click.option(
    "--report",
    "reports",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Write a report: .html or .md for people, .csv with a row per differing group; may be given several times.",
)
@json_option
def verify_command(
    first_day: date | None,
    last_day: date | None,
    clients: tuple[str, ...],
    most: int | None,
    unit: SampleUnit | None,
    seed: int | None,
    reports: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Compare every group of the days with the facts, zero tolerance. Default: yesterday and today.

    Changes no number; the outcome is kept in the ledger. Exit code 1 when a group is wrong, or when
    facts changed since a day was computed.

    With --sample only N groups, or client-days (clients' days), drawn at random are compared, each with all groups of its
    client's day; by default from all days. It tells what share of errors that would have found.
    """
    settings = load_settings()
    if most is None and (unit is not None or seed is not None):
        raise InvalidInput("--unit and --seed say how --sample draws; add --sample N")
    first, last = _range(first_day, last_day, settings, whole_history=most is not None)
    check_days(first, last, settings)
    with ReportFiles(reports) as files, open_database(settings) as database:
        # The clock is as good a lot as any; it is reported, so that the sample can be drawn again.
        lot = int(time.time()) if seed is None else seed
        drawing = None if most is None else _Drawing(unit or "groups", most, lot)
        if drawing and first_day is None:
            first = max(first, min(first_known_day(database) or last, last))
        compared = _compare(database, first, last, clients, files, drawing)
        if as_json:
            print_json(_as_json(compared))
        else:
            for line in _message(compared):
                click.echo(line)
        files.write(database, compared)
    return 0 if compared.ok else FAILED


class _Drawing(NamedTuple):
    unit: SampleUnit
    most: int
    seed: int


def _range(first: date | None, last: date | None, settings: Settings, whole_history: bool) -> tuple[date, date]:
    if whole_history:
        return first or settings.start_date, last or today(settings)
    until = last or (first or today(settings))
    return first or (max(until - timedelta(days=1), settings.start_date) if last is None else until), until


def _compare(
    database: Database,
    first: date,
    last: date,
    clients: Sequence[str],
    files: ReportFiles,
    drawing: _Drawing | None = None,
) -> Verified:
    """Verify the days, or the sample, with a progress bar; rows go to the files as they are found."""
    at = datetime.now(UTC)
    ids = find_clients(database, clients)
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    sample = None if drawing is None else draw_sample(database, first, last, ids, *drawing)
    verifying: Iterator[tuple[VerifiedDay, int]]
    failed: FailedDays = {}
    if sample is None:
        most_named = files.most_named or NAMED_GROUPS
        days_verified = verify(database, days, ids, on_failed_day=failed.__setitem__, most_named=most_named)
        verifying = ((day, 0) for day in days_verified)
    else:
        verifying = verify_drawn(database, sample, failed.__setitem__)
        days = sorted({place.bucket_date for place in sample.places})
    verified, different = [], 0
    with progress_bar() as bar:
        for day, places in bar.track(verifying, total=len(days), description="Verifying days"):
            files.add(day)
            different += places
            verified.append(replace(day, differences=day.differences[:NAMED_GROUPS]))
    known = known_wrong_groups(database, first, last, ids)
    return Verified(at, first, last, clients, ids, verified, known, sample, different, failed)


def verify_with_progress(database: Database, first: date, last: date, clients: Sequence[str]) -> list[VerifiedDay]:
    """Verify the days with a progress bar."""
    with ReportFiles(()) as files:
        return list(_compare(database, first, last, clients, files).days)


def outcome_as_json(outcome: Sequence[VerifiedDay]) -> dict[str, Any]:
    """The outcome for a program: totals, and each day with its differing groups."""
    return {
        "ok": all(day.result in TRUSTED_RESULTS for day in outcome),
        "days_verified": sum(day.result == "verified" for day in outcome),
        "days_sealed": sum(day.result == "sealed" for day in outcome),
        "days_held": sum(day.result == "held" for day in outcome),
        "groups_compared": sum(day.totals.groups for day in outcome),
        "facts_read": sum(day.totals.facts for day in outcome),
        "unresolved_facts": sum(day.totals.unresolved_facts for day in outcome),
        "wrong_groups": sum(day.wrong_groups for day in outcome),
        "days": [{"result": day.result, **asdict(day)} for day in outcome],
    }


def _as_json(compared: Verified) -> dict[str, Any]:
    answer = outcome_as_json(compared.days) | {
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


def _message(compared: Verified) -> list[str]:
    message = format_outcome(compared.days, compared.clients, compared.sample is not None) if compared.days else []
    message = format_failed_days(compared.failed) + message
    if compared.sample is None:
        return message
    elsewhere = compared.known_wrong - compared.wrong_groups
    if elsewhere > 0:
        message.append(f"{counted(elsewhere, 'wrong group')} found before, not in this sample and not repaired")
    return message + sample_message(compared.sample, compared.places_that_differ)


def format_outcome(outcome: Sequence[VerifiedDay], clients: Sequence[str] = (), sampled: bool = False) -> list[str]:
    """The outcome for a person: a line for each day that is not verified, its groups, and a summary; ``clients`` as asked
    for, none for all; ``sampled``: of each day only some clients were compared."""
    lines = []
    for day in outcome:
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
    verified = sum(day.result == "verified" for day in outcome)
    groups = sum(day.totals.groups for day in outcome)
    facts = sum(day.totals.facts for day in outcome)
    wrong = sum(day.wrong_groups for day in outcome)
    unresolved = sum(day.totals.unresolved_facts for day in outcome)
    sealed = sum(day.result == "sealed" for day in outcome)
    compared = f"{verified} of {len(outcome)} days verified"
    if sealed:
        compared += f", {sealed} sealed and unchanged since"
    if sampled:
        client_days = sum(day.verified_client_days + day.stale_client_days + day.wrong_client_days for day in outcome)
        compared = f"{counted(client_days, 'client-day')} (clients' days) compared, on {counted(len(outcome), 'day')}"
    lines.append(f"{compared}: {groups:,} groups against {facts:,} facts, {wrong:,} discrepancies")
    if wrong:
        lines.append(format_totals(outcome))
    if unresolved:
        lines.append(f"{unresolved:,} facts belong to no client and are in no group")
    return lines + [f"repair: {command}" for command in repair_commands(outcome, clients)]


def _named(group: GroupDifference) -> str:
    which, differs = format_line(group)
    # A terminal obeys control characters; a UTM value may hold any.
    plain = "".join(character if character.isprintable() else "?" for character in which)
    return f"{group.result}: {plain}: {differs}"
