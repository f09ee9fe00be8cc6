"""doctor: checks everything that can be wrong with a deployment, one line each, and says how to repair it."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import groupby

import click
from sqlalchemy.exc import ArgumentError

from eventflow_stats.cli.doctor_dagster import check_dagster, check_versions
from eventflow_stats.cli.options import json_option, print_json
from eventflow_stats.engine.doctor.check_result import DoctorLine, not_checked
from eventflow_stats.engine.doctor.connection import AREA as CONNECTION
from eventflow_stats.engine.doctor.database import check_database, unchecked_areas
from eventflow_stats.engine.doctor.settings import check_settings
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import FAILED, EventflowError
from eventflow_stats.formatting import format_count
from eventflow_stats.local.server import open_database
from eventflow_stats.redaction import without_secrets
from eventflow_stats.settings import Settings, usable_settings


@click.command("doctor")
@json_option
def doctor_command(as_json: bool) -> int:
    """Check everything that can be wrong, and show remedies.

    Settings, versions, connection, schema, indexes, rights, server, rollup and Dagster: one line a check with ok, warn
    or fail, and the remedy below it. Every check runs, whatever fails before it; a check that cannot run has failed.
    Nothing is changed. An embedded server that is not running is started for the checks, except one without data.

    Exit code 1 when a check failed.
    """
    settings, problems = usable_settings()
    found = [*check_settings(settings, problems), check_versions()]
    with ExitStack() as opened:
        database, why = _open(opened, settings, problems)
        if database is None:
            found += [not_checked(CONNECTION, "database", why), *unchecked_areas()]
        else:
            found += check_database(database, problems)
        found += check_dagster(database, dict(os.environ))
    found = [_without_secrets(line, settings) for line in found]
    failed = any(line.state == "fail" for line in found)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(line) for line in found]})
    else:
        for text in format_lines(found):
            click.echo(text)
    return FAILED if failed else 0


def _open(opened: ExitStack, settings: Settings, problems: Mapping[str, str]) -> tuple[Database | None, str]:
    """The deployment's database, or None and why it cannot be opened."""
    for setting in ("database_url", "data_dir"):
        if setting in problems and (setting == "database_url" or settings.database_url is None):
            return None, problems[setting]
    folder = settings.data_dir.expanduser().resolve() / "postgres"
    if settings.database_url is None and not (folder / "PG_VERSION").is_file():
        return None, (
            f"the embedded server has no data in {folder} yet (`eventflow-stats demo` or `eventflow-stats up` makes it)"
        )
    try:
        return opened.enter_context(open_database(settings)), ""
    except (EventflowError, ArgumentError) as error:
        return None, str(error)


def format_lines(found: list[DoctorLine]) -> list[str]:
    """All lines grouped by area and aligned, each remedy below its line, and a summary."""
    width = max(len(line.name) for line in found)
    texts = []
    for area, lines in groupby(found, key=lambda line: line.area):
        texts.append(area.capitalize())
        for line in lines:
            texts.append(f"  {line.state:<4}  {line.name:<{width}}  {line.found}")
            if line.remedy and line.state != "ok":
                texts.append(f"  {'':<4}  {'':<{width}}  -> {line.remedy}")
    states = [line.state for line in found]
    failures = format_count(states.count("fail"), "failure")
    return [*texts, f"{states.count('ok')} ok, {format_count(states.count('warn'), 'warning')}, {failures}"]


def _without_secrets(line: DoctorLine, settings: Settings) -> DoctorLine:
    """The line without secrets: a message of a database driver or of Dagster may quote one."""
    remedy = line.remedy and without_secrets(line.remedy, settings=settings)
    return replace(line, found=without_secrets(line.found, settings=settings), remedy=remedy)
