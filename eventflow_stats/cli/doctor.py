"""doctor: everything that can be wrong with a deployment, one line each, and what to do about it."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import groupby

import click
from sqlalchemy.exc import ArgumentError

from eventflow_stats.cli.doctor_machine import examine_dagster, examine_versions
from eventflow_stats.cli.options import json_option, print_json
from eventflow_stats.engine.doctor.connection import AREA as CONNECTION
from eventflow_stats.engine.doctor.diagnosis import Diagnosis, not_checked
from eventflow_stats.engine.doctor.examine import examine_database, nothing_checked
from eventflow_stats.engine.doctor.settings_check import examine_settings
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import FAILED, EventflowError
from eventflow_stats.formatting import counted
from eventflow_stats.local.server import open_database
from eventflow_stats.redaction import without_secrets
from eventflow_stats.settings import Settings, usable_settings


@click.command("doctor")
@json_option
def doctor_command(as_json: bool) -> int:
    """Look at everything that can be wrong with this deployment, and say what to do about each.

    Settings, versions, connection, schema, indexes, rights, server, rollup and Dagster: one line a check, ok, warn or
    fail, then the remedy. Goes on whatever fails; a check that could not run has failed. Changes nothing; an
    embedded server that is not running is started for the look, one that has no data is left alone.

    Exit code 1 when anything failed.
    """
    settings, problems = usable_settings()
    found = [*examine_settings(settings, problems), *examine_versions()]
    with ExitStack() as held:
        database, why = _opened(held, settings, problems)
        if database is None:
            found += [not_checked(CONNECTION, "database", why), *nothing_checked()]
        else:
            found += examine_database(database, problems)
        found += examine_dagster(database, dict(os.environ))
    found = [_without_secrets(diagnosis, settings) for diagnosis in found]
    failed = any(diagnosis.state == "fail" for diagnosis in found)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(diagnosis) for diagnosis in found]})
    else:
        for line in message(found):
            click.echo(line)
    return FAILED if failed else 0


def _opened(held: ExitStack, settings: Settings, problems: Mapping[str, str]) -> tuple[Database | None, str]:
    """The deployment's database, or why there is none to look at."""
    for setting in ("database_url", "data_dir"):
        if setting in problems and (setting == "database_url" or settings.database_url is None):
            return None, problems[setting]
    folder = settings.data_dir.expanduser().resolve() / "postgres"
    if settings.database_url is None and not (folder / "PG_VERSION").is_file():
        return None, f"the embedded server has no data in {folder} yet (`eventflow-stats demo` or `up` makes it)"
    try:
        return held.enter_context(open_database(settings)), ""
    except (EventflowError, ArgumentError) as error:
        return None, str(error)


def message(found: list[Diagnosis]) -> list[str]:
    """All of it for a person, grouped by area and aligned; the remedy below what it remedies."""
    width = max(len(diagnosis.name) for diagnosis in found)
    lines = []
    for area, findings in groupby(found, key=lambda diagnosis: diagnosis.area):
        lines.append(area.capitalize())
        for diagnosis in findings:
            lines.append(f"  {diagnosis.state:<4}  {diagnosis.name:<{width}}  {diagnosis.found}")
            if diagnosis.remedy and diagnosis.state != "ok":
                lines.append(f"  {'':<4}  {'':<{width}}  -> {diagnosis.remedy}")
    states = [diagnosis.state for diagnosis in found]
    failures = counted(states.count("fail"), "failure")
    return [*lines, f"{states.count('ok')} ok, {counted(states.count('warn'), 'warning')}, {failures}"]


def _without_secrets(diagnosis: Diagnosis, settings: Settings) -> Diagnosis:
    """No message of ours quotes one; a driver's or Dagster's might."""
    remedy = diagnosis.remedy and without_secrets(diagnosis.remedy, settings=settings)
    return replace(diagnosis, found=without_secrets(diagnosis.found, settings=settings), remedy=remedy)
