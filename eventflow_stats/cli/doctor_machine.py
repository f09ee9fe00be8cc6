"""What the doctor asks of this machine: versions of what is installed, and Dagster's part, in a process of its own."""

import json
import platform
import subprocess
import sys
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from eventflow_stats import __version__
from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, diagnosis, not_checked, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.formatting import lasting, listed

PACKAGE = "eventflow-stats"
SECONDS = 60
"""How long Dagster's part may take to answer: a storage that hangs does not hang the doctor."""
SILENT_SECONDS = 180
"""Daemons beat every 30 s, and Dagster itself calls one healthy for half an hour after its last beat."""
DAEMONS = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "BACKFILL")
START = "eventflow-stats up, or dagster-daemon run -w workspace.yaml"


def examine_versions() -> list[Diagnosis]:
    return [
        run_check("versions", "Python", python),
        run_check("versions", "packages", packages),
        run_check("versions", "Dagster", dagster),
    ]


def python() -> Outcome:
    found, wanted = platform.python_version(), metadata(PACKAGE)["Requires-Python"]
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        return Outcome("fail", f"{found}, which should be {wanted}", "make the environment anew with such a Python")
    return Outcome("ok", f"{found}, eventflow-stats {__version__}")


def packages() -> Outcome:
    """What is installed against what this package requires."""
    wrong, required = [], [Requirement(text) for text in requires(PACKAGE) or ()]
    needed = [each for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    for each in needed:
        try:
            found = version(each.name)
        except PackageNotFoundError:
            wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(found, prereleases=True):
            wrong.append(f"{each.name} is {found}, which should be {each.specifier}")
    if wrong:
        return Outcome("fail", listed(wrong), f"pip install {PACKAGE}=={__version__}")
    return Outcome("ok", f"{len(needed)} that are required, each of a version that fits")


def dagster() -> Outcome:
    """Dagster's packages are released together: 0.(n + 16).p of a library belongs to 1.n.p."""
    core = version("dagster")
    major, minor, patch = core.split(".")[:3]
    wanted = {
        "dagster-webserver": core, "dagster-graphql": core, "dagster-shared": core, "dagster-pipes": core,
        "dagster-postgres": f"0.{int(minor) + 16}.{patch}",
    }  # fmt: skip
    odd = [f"{name} {version(name)}" for name, its in wanted.items() if version(name) != its]
    if odd or major != "1":
        return Outcome("fail", f"dagster {core} beside {listed(odd)}", f"pip install {PACKAGE}=={__version__}")
    return Outcome("ok", f"{core}, every package of one release")


def examine_dagster(database: Database | None, environment: dict[str, str]) -> list[Diagnosis]:
    """How Dagster's part stands. ``environment``: of the process that looks; it names the database."""
    area, names = "dagster", ("code location", "storage", "daemon", "schedules and sensors")
    command = [sys.executable, "-W", "ignore", "-m", "eventflow_stats.orchestration.deployment_state"]
    given = dict(environment)
    if database is not None:
        # As for a child of `up`: an embedded server has no address of its own in the settings.
        given["EVENTFLOW_DATABASE_URL"] = database.url.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
    try:
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [not_checked(area, name, f"Dagster's part did not answer within {SECONDS} s") for name in names]
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [not_checked(area, name, why) for name in names]
    message = json.loads(done.stdout.splitlines()[-1])
    return [diagnosis(area, name, outcome) for name, outcome in zip(names, _checked(message), strict=True)]


def _checked(message: dict[str, Any]) -> list[Outcome]:
    location = Outcome("ok", "loads")
    if "location_error" in message:
        location = Outcome(
            "fail", f"does not load: {message['location_error']}", "correct what it says, then start again"
        )
    if "storage_error" in message:
        why = message["storage_error"]
        return [
            location,
            Outcome("fail", f"cannot be read: {why}", f"check EVENTFLOW_DAGSTER_URL and its server; {START} lays it"),
            Outcome("fail", "could not be looked at: no storage, so no heartbeat", START),
            Outcome("fail", "could not be looked at: no storage", START),
        ]
    if message["read_only"]:
        # A daemon that runs cannot write its heartbeat either.
        unknown = Outcome("warn", "unknown: its storage is read-only, so no heartbeat can be written", "see storage")
        storage = Outcome("fail", "read-only", "make it writable: see writing, of the server, where it is the same one")
        return [location, storage, unknown, _automations(message)]
    return [location, Outcome("ok", "there"), _daemon(message["daemons"]), _automations(message)]


def _daemon(daemons: dict[str, dict[str, Any]]) -> Outcome:
    ages = [daemons[kind]["age"] for kind in DAEMONS if kind in daemons]
    if not ages:
        return Outcome("fail", "never ran here", START)
    silent = [kind.lower() for kind in DAEMONS if kind not in daemons or daemons[kind]["age"] > SILENT_SECONDS]
    if silent:
        since = f"no heartbeat for {lasting(timedelta(seconds=max(ages)))}"
        return Outcome("fail", f"{since}: {listed(silent)}", START)
    errors = [f"{kind.lower()}: {error}" for kind in DAEMONS for error in daemons[kind]["errors"]]
    if errors:
        return Outcome("warn", f"beats, with errors: {listed(errors, 2)}", "see the daemon's log")
    return Outcome("ok", f"the last heartbeat {lasting(timedelta(seconds=max(ages)))} ago")


def _automations(message: dict[str, Any]) -> Outcome:
    if "automations" not in message:
        return Outcome("fail", "could not be looked at: the code location does not load")
    off = sorted(set(message["automations"]) & set(message["stopped"]))
    if off:
        return Outcome(
            "fail",
            f"off: {listed(off)}",
            f"switch on in the UI (Automation), or: dagster schedule|sensor start {off[0]}",
        )
    return Outcome("ok", f"{len(message['automations'])} on")
