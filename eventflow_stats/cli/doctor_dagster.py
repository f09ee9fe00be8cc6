"""The doctor's checks outside of the database: the installed versions, and Dagster, asked in a process of its own."""

import json
import platform
import subprocess
import sys
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from eventflow_stats import __version__
from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, as_line, not_checked, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.formatting import format_duration, format_list

SECONDS = 60
"""How long Dagster's process may take to answer: a storage that hangs must not stop the doctor."""
SILENT_SECONDS = 180
"""Daemons beat every 30 s. Dagster itself calls a daemon healthy for half an hour after its last heartbeat."""
DAEMONS = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "BACKFILL")
START = "eventflow-stats up, or dagster-daemon run -w workspace.yaml"
AREA = "dagster"
NAMES = ("code location", "storage", "daemon", "schedules and sensors")


def check_versions() -> DoctorLine:
    """Show the versions that a report of an error needs. pip has checked on installation that they fit together."""
    return run_check("versions", "installed", _versions)


def _versions() -> CheckResult:
    dagster = ", ".join(f"{name} {version(name)}" for name in ("dagster", "dagster-postgres", "dagster-webserver"))
    return CheckResult("ok", f"eventflow-stats {__version__}, Python {platform.python_version()}, {dagster}")


def check_dagster(database: Database | None, environment: dict[str, str]) -> list[DoctorLine]:
    """Check code location, storage, daemon, and whether schedules and sensors are on.

    Parameters: ``environment``: of this process, for Dagster's.
    """
    command = [sys.executable, "-W", "ignore", "-m", "eventflow_stats.orchestration.deployment_state"]
    given = dict(environment)
    if database is not None:
        # The settings do not have the address of an embedded server.
        given["EVENTFLOW_DATABASE_URL"] = database.url.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
    try:
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [not_checked(AREA, name, f"Dagster did not answer within {SECONDS} s") for name in NAMES]
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["Dagster's process failed without a message"])[-1]
        return [not_checked(AREA, name, why) for name in NAMES]
    state = json.loads(done.stdout.splitlines()[-1])
    return [as_line(AREA, name, result) for name, result in zip(NAMES, _results(state), strict=True)]


def _results(state: dict[str, Any]) -> list[CheckResult]:
    """The results of NAMES, from what `deployment_state` printed."""
    location = CheckResult("ok", "loads")
    if "location_error" in state:
        location = CheckResult("fail", f"does not load: {state['location_error']}", "correct that, then start again")
    if "storage_error" in state:
        why = state["storage_error"]
        return [
            location,
            CheckResult(
                "fail", f"cannot be read: {why}", f"check EVENTFLOW_DAGSTER_URL and its server; {START} creates it"
            ),
            CheckResult("fail", "could not be checked: without the storage there is no heartbeat", START),
            CheckResult("fail", "could not be checked: no storage", START),
        ]
    if state["read_only"]:
        # A running daemon cannot write its heartbeat either.
        unknown = CheckResult("warn", "unknown: no heartbeat can be written to a read-only storage", "see storage")
        storage = CheckResult("fail", "read-only", "make it writable; on the same server, see its line `writing` above")
        return [location, storage, unknown, _check_automations(state)]
    return [location, CheckResult("ok", "there"), _check_daemon(state["daemons"]), _check_automations(state)]


def _check_daemon(daemons: dict[str, dict[str, Any]]) -> CheckResult:
    ages = [daemons[kind]["age"] for kind in DAEMONS if kind in daemons]
    if not ages:
        return CheckResult("fail", "never ran here", START)
    silent = [kind.lower() for kind in DAEMONS if kind not in daemons or daemons[kind]["age"] > SILENT_SECONDS]
    if silent:
        since = f"no heartbeat for {format_duration(timedelta(seconds=max(ages)))}"
        return CheckResult("fail", f"{since}: {format_list(silent)}", START)
    errors = [f"{kind.lower()}: {error}" for kind in DAEMONS for error in daemons[kind]["errors"]]
    if errors:
        return CheckResult("warn", f"runs, with errors: {format_list(errors, 2)}", "see the daemon's log")
    return CheckResult("ok", f"the last heartbeat was {format_duration(timedelta(seconds=max(ages)))} ago")


def _check_automations(state: dict[str, Any]) -> CheckResult:
    if "automations" not in state:
        return CheckResult("fail", "could not be checked: the code location does not load")
    off = sorted(set(state["automations"]) & set(state["stopped"]))
    if off:
        return CheckResult(
            "fail",
            f"off: {format_list(off)}",
            f"switch on in the UI (Automation), or: dagster schedule start {off[0]} (or dagster sensor start ...)",
        )
    return CheckResult("ok", f"{len(state['automations'])} on")
