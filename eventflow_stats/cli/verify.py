"""verify: compares days of the rollup, or a random sample of them, with the facts, and writes a report."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, get_args

import click

from eventflow_stats.cli.options import (
    check_days,
    client_option,
    day_range,
    json_option,
    print_json,
    print_lines,
    progress_bar,
)
from eventflow_stats.cli.verify_format import format_verified, verified_as_json
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.status.day_summary import first_known_day, known_wrong_groups
from eventflow_stats.engine.verification.sample import SampleUnit, draw_sample, verify_drawn
from eventflow_stats.engine.verification.verify import (
    NAMED_GROUPS,
    VerifiedDay,
    verify,
)
from eventflow_stats.errors import FAILED, FailedDays, InvalidInput
from eventflow_stats.local.server import open_database
from eventflow_stats.reports.files import ReportFiles
from eventflow_stats.reports.verified_days import Verified
from eventflow_stats.settings import Settings, load_settings

LARGEST_SAMPLE = 100_000


@click.command("verify")
@day_range(required=False)
@client_option
@click.option("--sample", "most", type=click.IntRange(1, LARGEST_SAMPLE), metavar="N", help="Only N, drawn at random.")
@click.option("--unit", type=click.Choice(get_args(SampleUnit)), help="What --sample draws. Default: groups.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="NUMBER",
    help="Draw an earlier sample again (its output has the seed).",
)
@click.option(
    "--report",
    "reports",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Write a report: .html or .md for people, .csv with a row for each wrong or stale group; may be repeated.",
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
    """Compare every group of the days with the facts.

    Without days: yesterday and today. The tolerance is zero. No number is changed; the result is stored in the
    ledger. Exit code 1 if a group is wrong, or if facts changed since a day was computed.

    With --sample, N groups or client-days (one client's one day) are drawn at random, by default from all days, and
    every group of their client-days is compared. The output says how many wrong groups such a sample finds.
    """
    settings = load_settings()
    if most is None and (unit is not None or seed is not None):
        raise InvalidInput("--unit and --seed belong to --sample; add --sample N")
    first, last = _range(first_day, last_day, settings, whole_history=most is not None)
    check_days(first, last, settings)
    with ReportFiles(reports) as files, open_database(settings) as database:
        # The output has the seed, so that the sample can be drawn again.
        seed = int(time.time()) if seed is None else seed
        request = None if most is None else _SampleRequest(unit or "groups", most, seed)
        if request and first_day is None:
            first = max(first, min(first_known_day(database) or last, last))
        compared = _compare(database, first, last, clients, files, request)
        if as_json:
            print_json(verified_as_json(compared))
        else:
            print_lines(format_verified(compared))
        files.write(database, compared)
    return 0 if compared.ok else FAILED


class _SampleRequest(NamedTuple):
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
    request: _SampleRequest | None = None,
) -> Verified:
    """Verify the days, or the sample, with a progress bar, and pass each day to the report files."""
    at = datetime.now(UTC)
    ids = find_clients(database, clients)
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    sample = None if request is None else draw_sample(database, first, last, ids, *request)
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
