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
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.doctor.connecting import AREA as CONNECTION
from eventflow_stats.engine.doctor.environment import examine_settings
from eventflow_stats.engine.doctor.examine import examine_database, nothing_looked_at
from eventflow_stats.engine.doctor.finding import Finding, not_looked_at
from eventflow_stats.errors import FAILED, EventflowError
from eventflow_stats.local.server import open_database
from eventflow_stats.redaction import without_secrets
from eventflow_stats.settings import Settings, usable_settings
from eventflow_stats.words import counted


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
            found += [not_looked_at(CONNECTION, "database", why), *nothing_looked_at()]
        else:
            found += examine_database(database, problems)
        found += examine_dagster(database, dict(os.environ))
    found = [_without_secrets(finding, settings) for finding in found]
    failed = any(finding.state == "fail" for finding in found)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(finding) for finding in found]})
    else:
        for line in told(found):
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


def told(found: list[Finding]) -> list[str]:
    """All of it for a person, grouped by area and aligned; the remedy below what it remedies."""
    width = max(len(finding.name) for finding in found)
    lines = []
    for area, findings in groupby(found, key=lambda finding: finding.area):
        lines.append(area.capitalize())
        for finding in findings:
            lines.append(f"  {finding.state:<4}  {finding.name:<{width}}  {finding.found}")
            if finding.remedy and finding.state != "ok":
                lines.append(f"  {'':<4}  {'':<{width}}  -> {finding.remedy}")
    states = [finding.state for finding in found]
    failures = counted(states.count("fail"), "failure")
    return [*lines, f"{states.count('ok')} ok, {counted(states.count('warn'), 'warning')}, {failures}"]


def _without_secrets(finding: Finding, settings: Settings) -> Finding:
    """No message of ours quotes one; a driver's or Dagster's might."""
    remedy = finding.remedy and without_secrets(finding.remedy, settings=settings)
    return replace(finding, found=without_secrets(finding.found, settings=settings), remedy=remedy)
