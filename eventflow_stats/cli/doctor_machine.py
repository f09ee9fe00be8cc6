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
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.doctor.finding import Finding, Verdict, finding, look, not_looked_at
from eventflow_stats.words import lasting, listed

PACKAGE = "eventflow-stats"
SECONDS = 60
"""How long Dagster's part may take to answer: a storage that hangs does not hang the doctor."""
SILENT_SECONDS = 180
"""Daemons beat every 30 s, and Dagster itself calls one healthy for half an hour after its last beat."""
DAEMONS = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "BACKFILL")
START = "eventflow-stats up, or dagster-daemon run -w workspace.yaml"


def examine_versions() -> list[Finding]:
    return [
        look("versions", "Python", python),
        look("versions", "packages", packages),
        look("versions", "Dagster", dagster),
    ]


def python() -> Verdict:
    found, wanted = platform.python_version(), metadata(PACKAGE)["Requires-Python"]
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        return Verdict("fail", f"{found}, which should be {wanted}", "make the environment anew with such a Python")
    return Verdict("ok", f"{found}, eventflow-stats {__version__}")


def packages() -> Verdict:
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
        return Verdict("fail", listed(wrong), f"pip install {PACKAGE}=={__version__}")
    return Verdict("ok", f"{len(needed)} that are required, each of a version that fits")


def dagster() -> Verdict:
    """Dagster's packages are released together: 0.(n + 16).p of a library belongs to 1.n.p."""
    core = version("dagster")
    major, minor, patch = core.split(".")[:3]
    wanted = {
        "dagster-webserver": core, "dagster-graphql": core, "dagster-shared": core, "dagster-pipes": core,
        "dagster-postgres": f"0.{int(minor) + 16}.{patch}",
    }  # fmt: skip
    odd = [f"{name} {version(name)}" for name, its in wanted.items() if version(name) != its]
    if odd or major != "1":
        return Verdict("fail", f"dagster {core} beside {listed(odd)}", f"pip install {PACKAGE}=={__version__}")
    return Verdict("ok", f"{core}, every package of one release")


def examine_dagster(database: Database | None, environment: dict[str, str]) -> list[Finding]:
    """How Dagster's part stands. ``environment``: of the process that looks; it names the database."""
    area, names = "dagster", ("code location", "storage", "daemon", "schedules and sensors")
    command = [sys.executable, "-W", "ignore", "-m", "eventflow_stats.orchestration.look_at_deployment"]
    given = dict(environment)
    if database is not None:
        # As for a child of `up`: an embedded server has no address of its own in the settings.
        given["EVENTFLOW_DATABASE_URL"] = database.url.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
    try:
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [not_looked_at(area, name, f"Dagster's part did not answer within {SECONDS} s") for name in names]
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [not_looked_at(area, name, why) for name in names]
    told = json.loads(done.stdout.splitlines()[-1])
    return [finding(area, name, verdict) for name, verdict in zip(names, _judged(told), strict=True)]


def _judged(told: dict[str, Any]) -> list[Verdict]:
    location = Verdict("ok", "loads")
    if "location_error" in told:
        location = Verdict("fail", f"does not load: {told['location_error']}", "correct what it says, then start again")
    if "storage_error" in told:
        why = told["storage_error"]
        return [
            location,
            Verdict("fail", f"cannot be read: {why}", f"check EVENTFLOW_DAGSTER_URL and its server; {START} lays it"),
            Verdict("fail", "could not be looked at: no storage, so no heartbeat", START),
            Verdict("fail", "could not be looked at: no storage", START),
        ]
    if told["read_only"]:
        # A daemon that runs cannot write its heartbeat either.
        unknown = Verdict("warn", "unknown: its storage is read-only, so no heartbeat can be written", "see storage")
        storage = Verdict("fail", "read-only", "make it writable: see writing, of the server, where it is the same one")
        return [location, storage, unknown, _automations(told)]
    return [location, Verdict("ok", "there"), _daemon(told["daemons"]), _automations(told)]


def _daemon(daemons: dict[str, dict[str, Any]]) -> Verdict:
    ages = [daemons[kind]["age"] for kind in DAEMONS if kind in daemons]
    if not ages:
        return Verdict("fail", "never ran here", START)
    silent = [kind.lower() for kind in DAEMONS if kind not in daemons or daemons[kind]["age"] > SILENT_SECONDS]
    if silent:
        since = f"no heartbeat for {lasting(timedelta(seconds=max(ages)))}"
        return Verdict("fail", f"{since}: {listed(silent)}", START)
    errors = [f"{kind.lower()}: {error}" for kind in DAEMONS for error in daemons[kind]["errors"]]
    if errors:
        return Verdict("warn", f"beats, with errors: {listed(errors, 2)}", "see the daemon's log")
    return Verdict("ok", f"the last heartbeat {lasting(timedelta(seconds=max(ages)))} ago")


def _automations(told: dict[str, Any]) -> Verdict:
    if "automations" not in told:
        return Verdict("fail", "could not be looked at: the code location does not load")
    off = sorted(set(told["automations"]) & set(told["stopped"]))
    if off:
        return Verdict(
            "fail",
            f"off: {listed(off)}",
            f"switch on in the UI (Automation), or: dagster schedule|sensor start {off[0]}",
        )
    return Verdict("ok", f"{len(told['automations'])} on")
